using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf.Preempt;

/// <summary>A batch call that has ended.</summary>
/// <param name="Ended">When.</param>
/// <param name="Freezes">How often it stood still.</param>
/// <param name="Microseconds">Of processor time, by its own clock: what ran beside it does not count.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct BatchEnd(DateTimeOffset Ended, int Freezes, double Microseconds);

/// <summary>Batch calls that compute for 100 ms each, 1,200 of them waiting: as many come as have ended.</summary>
internal sealed class Saturation
{
    public const int Slots = 2;
    private const int Waiting = 1_200;
    private const int AtOnce = 200; // a submission's frame stays small
    private const double WantedMicroseconds = 100_000;

    private readonly WayangClient _client;
    private readonly TaskSpec _spec;
    private readonly Queue<TaskId> _tasks = [];

    private Saturation(WayangClient client, TaskSpec spec)
    {
        _client = client;
        _spec = spec;
    }

    /// <summary>Finds out how many steps take 100 ms when nothing else runs, and fills the node.</summary>
    public static async Task<Saturation> BeginAsync(WayangClient client, string image)
    {
        var rounds = 1_000_000.0;
        for (var i = 0; i < 6; i++)
        {
            rounds *= WantedMicroseconds / Math.Max(1, Microseconds((await client.RunAsync(Spec(image, rounds))).Output));
        }

        var load = new Saturation(client, Spec(image, rounds));
        await load.FillAsync();
        return load;
    }

    /// <summary>Those that have ended since the last call, in the order of their submission; others take their places.</summary>
    public async Task<IReadOnlyList<BatchEnd>> TakeEndedAsync()
    {
        var ended = new List<BatchEnd>();
        var running = new List<TaskId>();

        // They begin in order, and end nearly so: behind a few that run nothing has begun.
        while (running.Count <= 2 * Slots && _tasks.TryDequeue(out var id))
        {
            var info = await _client.GetAsync(id);
            if (info.State is not (TaskState.Succeeded or TaskState.Running or TaskState.Starting or TaskState.Queued or TaskState.Frozen))
            {
                throw new PerfException($"a batch task ended {info.State}: {info.Cause}");
            }

            if (info is { State: TaskState.Succeeded, Ended: { } at })
            {
                ended.Add(new BatchEnd(at, info.Life?.Preemption?.Times ?? 0, Microseconds((await _client.ReadOutputAsync(id, TaskStream.Output)).Data)));
            }
            else
            {
                running.Add(id);
            }
        }

        // Back to the front, as they were.
        var behind = _tasks.ToArray();
        _tasks.Clear();
        foreach (var id in running.Concat(behind))
        {
            _tasks.Enqueue(id);
        }

        await FillAsync();
        return ended;
    }

    private static double Microseconds(ReadOnlyMemory<byte> answer) => BinaryPrimitives.ReadInt64LittleEndian(answer.Span) / 1000.0;

    private static TaskSpec Spec(string image, double rounds) =>
        TaskSpec.Call(image, "work", Encoding.ASCII.GetBytes(rounds.ToString("F0", CultureInfo.InvariantCulture))) with
        {
            Class = TaskClass.Batch, Timeout = TimeSpan.FromMinutes(30),
        };

    private async Task FillAsync()
    {
        while (_tasks.Count < Waiting + Slots)
        {
            var outcomes = await _client.SubmitManyAsync([.. Enumerable.Repeat(_spec, Math.Min(AtOnce, Waiting + Slots - _tasks.Count))]);
            foreach (var outcome in outcomes)
            {
                _tasks.Enqueue(outcome.Error is { } error ? throw new PerfException($"a batch task was refused: {error.Message}") : outcome.Id);
            }
        }
    }
}
