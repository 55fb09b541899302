using System.Diagnostics;
using System.Text;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Diagnostics;

namespace Wayang.Fast.Perf.Soak;

/// <summary>A task that waited long: when it was submitted and answered (timestamps), and how long it waited.</summary>
internal sealed record Wait(long Submitted, long Answered, long Microseconds, TaskClass Class, string Kind);

/// <summary>
/// Mixed tasks, a window of them at a time, each with its answer checked. A task may be lost with a killed process
/// (<c>worker_lost</c>) and nothing else may happen to it that it did not ask for.
/// </summary>
internal sealed class SoakLoad(WayangClient client, string plugin, string? python, long tasks, int seed)
{
    private const int Window = 48;
    private const int WorstKept = 10;
    private const int LargeBytes = 200_000;
    private static readonly TaskClass[] s_classes = [TaskClass.Urgent, TaskClass.Normal, TaskClass.Normal, TaskClass.Batch, TaskClass.Idle];

    private readonly byte[] _large = MakeLarge(seed);
    private readonly Lock _gate = new();
    private readonly LatencyHistogram _waits = new();
    private readonly PriorityQueue<Wait, long> _worst = new();
    private readonly Dictionary<string, long> _ends = new(StringComparer.Ordinal);
    private readonly List<string> _wrong = [];
    private long _begun;
    private long _ended;
    private long _admitted;
    private long _lost;

    public long Ended => Volatile.Read(ref _ended);

    /// <summary>Tasks that got an id.</summary>
    public long Admitted => Volatile.Read(ref _admitted);

    public long Lost => Volatile.Read(ref _lost);

    public IReadOnlyList<string> Wrong => _wrong;

    /// <summary>Microseconds from submission to dispatch.</summary>
    public LatencyHistogram Waits => _waits;

    public IReadOnlyList<Wait> Worst => [.. _worst.UnorderedItems.Select(static i => i.Element).OrderByDescending(static w => w.Microseconds)];

    public string Summary => string.Join(", ", _ends.OrderByDescending(static e => e.Value).Select(static e => FormattableString.Invariant($"{e.Value:#,0} {e.Key}")));

    public Task RunAsync(CancellationToken cancellation) => Task.WhenAll(Enumerable.Range(0, Window).Select(i => Task.Run(() => WorkAsync(i, cancellation), cancellation)));

    private async Task WorkAsync(int number, CancellationToken cancellation)
    {
        var random = new Random(seed + number);
        while (Interlocked.Increment(ref _begun) <= tasks)
        {
            await OneAsync(random, cancellation);
        }
    }

    private async Task OneAsync(Random random, CancellationToken cancellation)
    {
        var dice = random.Next(10_000);
        var (kind, spec, expected) = dice switch
        {
            < 20 => ("command", TaskSpec.Command("/bin/true"), CauseType.Exit),
            < 40 => ("timeout", TaskSpec.Call(plugin, "endless") with { Timeout = TimeSpan.FromMilliseconds(30) }, CauseType.Timeout),
            < 60 => ("cancel", TaskSpec.Call(plugin, "until_cancelled"), CauseType.Cancelled),
            < 62 => ("crash", TaskSpec.Call(plugin, "crash"), CauseType.Signal),
            < 300 => ("failure", TaskSpec.Call(plugin, "typed_error"), CauseType.Exception),
            < 600 => ("large call", TaskSpec.Call(plugin, "echo", _large), CauseType.Exit),
            < 1600 when python is not null => ("python call", TaskSpec.Call(python, "echo", "soak"u8.ToArray()), CauseType.Exit),
            _ => ("call", TaskSpec.Call(plugin, "echo", Encoding.ASCII.GetBytes(FormattableString.Invariant($"{dice} of the soak"))), CauseType.Exit),
        };
        spec = spec with { Class = s_classes[random.Next(s_classes.Length)] };
        var submitted = Stopwatch.GetTimestamp();
        var result = await EndAsync(kind, spec, cancellation);
        Count(kind, spec, expected, result, submitted);
    }

    /// <summary>Until the node takes it: a refusal is no task.</summary>
    private async Task<TaskResult> EndAsync(string kind, TaskSpec spec, CancellationToken cancellation)
    {
        while (true)
        {
            try
            {
                if (kind != "cancel")
                {
                    var result = await client.RunAsync(spec, cancellation: cancellation);
                    Interlocked.Increment(ref _admitted);
                    return result;
                }

                var id = await client.SubmitAsync(spec, cancellation);
                Interlocked.Increment(ref _admitted);
                await client.CancelAsync(id, cancellation);
                return await client.WaitAsync(id, cancellation: cancellation);
            }
            catch (WayangException refused) when (refused.Code is ErrorCode.Unavailable or ErrorCode.ResourceExhausted)
            {
                await Task.Delay(refused.RetryAfter ?? TimeSpan.FromMilliseconds(20), cancellation);
            }
        }
    }

    private void Count(string kind, TaskSpec spec, CauseType expected, TaskResult result, long submitted)
    {
        // A command's own process that is killed from outside ended of a signal, as far as anybody can tell.
        var lost = result.State == TaskState.Failed
            && (result.Cause.Type == CauseType.WorkerLost || (kind is "command" && result.Cause is { Type: CauseType.Signal, Value: 9 }));
        var right = result.Cause.Type == expected && (expected != CauseType.Exit || kind is "command" || result.Output.Span.SequenceEqual(spec.Data.Span));
        lock (_gate)
        {
            _ended++;
            _lost += lost ? 1 : 0;
            var name = lost ? "lost with a killed process" : kind;
            _ends[name] = _ends.GetValueOrDefault(name) + 1;
            _waits.Record(result.QueueMicroseconds);
            if (!right && !lost && _wrong.Count < 10)
            {
                _wrong.Add($"{kind}: {result.State} {result.Cause} ({result.Output.Length} bytes)");
            }

            if (_worst.Count == WorstKept && _worst.Peek().Microseconds >= result.QueueMicroseconds)
            {
                return;
            }

            if (_worst.Count == WorstKept)
            {
                _worst.Dequeue();
            }

            _worst.Enqueue(
                new Wait(submitted, Stopwatch.GetTimestamp(), result.QueueMicroseconds, spec.Class ?? TaskClass.Normal, kind), result.QueueMicroseconds);
        }
    }

    private static byte[] MakeLarge(int seed)
    {
        var data = new byte[LargeBytes];
#pragma warning disable CA5394 // Not a secret: the same bytes for the same seed.
        new Random(seed).NextBytes(data);
#pragma warning restore CA5394
        return data;
    }
}
