using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.Versioning;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Kill;

/// <summary>
/// The power goes under durable load: a daemon starts on what its disk may hold then, which is what was synchronized and any part of the rest. Each task that was acknowledged
/// before has one end there, and what was told of it stays true; the stream of events has no hole, and tells each end once.
/// </summary>
[Collection("runtimes")]
[SupportedOSPlatform("linux")]
[Trait("Promise", "TR4")]
[Trait("Promise", "COM2")]
public sealed class PowerLossTests : DaemonKillTest
{
    private const int Bound = 7_200_000;
    private const int Tasks = 240;
    private const int Clients = 6;
    private const int RoundsPerLoad = 50;
    private static readonly int s_rounds = Environment.GetEnvironmentVariable("WAYANG_TEST_LONG") == "1" ? 200 : 4;

    private readonly ConcurrentQueue<Told> _told = new();

    /// <summary>What a client heard, and how much of the journal was written by then; a task without state was acknowledged.</summary>
    private sealed record Told(TaskId Id, TaskState? State, long Written);

    [Fact(Timeout = Bound)]
    public async Task Nothing_that_was_acknowledged_is_lost_with_the_power()
    {
        var seed = Environment.TickCount;
        var random = new Random(seed);
        var (checkedTasks, lost) = (0, 0);
        try
        {
            for (var done = 0; done < s_rounds; done += RoundsPerLoad)
            {
                var journal = await LoadAsync(done);
                for (var round = done; round < Math.Min(s_rounds, done + RoundsPerLoad); round++)
                {
                    var cut = random.NextInt64(_told.Min(static t => t.Written), journal.Length + 1);
                    var witness = WitnessAt(cut);
                    lost += await CheckAsync(new PowerLossJournal(journal).At(cut, random), witness, round);
                    checkedTasks += witness.Acknowledged;
                }
            }
        }
        catch (Exception failure)
        {
            throw new InvalidOperationException($"seed {seed}: {failure.Message}", failure);
        }

        Assert.True(checkedTasks >= s_rounds, $"{checkedTasks} tasks had been acknowledged in {s_rounds} rounds");
        Assert.InRange(lost, 0, checkedTasks - 1);
        Directory.Delete(State, recursive: true);
    }

    /// <returns>What a daemon did to its files while clients gave it tasks.</returns>
    private async Task<byte[]> LoadAsync(int number)
    {
        var state = Directory.CreateDirectory(Path.Combine(State, string.Create(CultureInfo.InvariantCulture, $"load-{number}"))).FullName;
        var journal = Path.Combine(Directory.CreateDirectory(Path.Combine(State, string.Create(CultureInfo.InvariantCulture, $"journal-{number}"))).FullName, "journal");
        await GiveStateToDaemonAsync();
        Serve(state);
        _told.Clear();
        await using var serve = await StartAsync(("LD_PRELOAD", Installation.PowerLoss), ("POWERLOSS_ROOT", state), ("POWERLOSS_JOURNAL", journal));
        await Task.WhenAll(Enumerable.Range(0, Clients).Select(i => CallAsync(serve, journal, i)));
        Signals.Kill(DaemonOf(serve)); // its orderly end would write on
        await EndAsync(serve);
        var written = await File.ReadAllBytesAsync(journal, TestContext.Current.CancellationToken);
        Assert.NotEmpty(written);
        return written;
    }

    private async Task CallAsync(Orphanage serve, string journal, int which)
    {
        await using var client = await ConnectAsync(serve);
        for (var i = 0; i < Tasks / Clients; i++)
        {
            var spec = TaskSpec.Command("/bin/sh", "-c", (i % 3) switch { 0 => "exit 0", 1 => "sleep 0.05", _ => "exit 7" }) with
            {
                Durable = true, Retry = which == 0 ? new RetrySpec(3) { Backoff = TimeSpan.FromMilliseconds(10) } : null,
            };
            var id = await client.SubmitAsync(spec, TestContext.Current.CancellationToken);
            _told.Enqueue(new Told(id, null, new FileInfo(journal).Length));
            if (i % 3 != 1)
            {
                var end = await client.WaitAsync(id, cancellation: TestContext.Current.CancellationToken);
                _told.Enqueue(new Told(id, end.State, new FileInfo(journal).Length));
            }
        }
    }

    private DurableWitness WitnessAt(long cut)
    {
        var witness = new DurableWitness();
        foreach (var told in _told.Where(t => t.Written <= cut))
        {
            witness.Acknowledge(told.Id);
            if (told.State is { } state)
            {
                witness.Tell(told.Id, state);
            }
        }

        return witness;
    }

    private async Task<int> CheckAsync(Dictionary<string, byte[]> disk, DurableWitness witness, int round)
    {
        var state = Directory.CreateDirectory(Path.Combine(State, string.Create(CultureInfo.InvariantCulture, $"round-{round}"))).FullName;
        foreach (var (name, content) in disk.Where(static f => !f.Key.EndsWith("-shm", StringComparison.Ordinal)))
        {
            var path = Path.Combine(state, name.TrimStart('/'));
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            await File.WriteAllBytesAsync(path, content, TestContext.Current.CancellationToken);
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }

        await GiveToDaemonAsync(state);
        Serve(state);
        await using var serve = await StartAsync();
        await using var client = await ConnectAsync(serve);
        int lost;
        try
        {
            lost = await witness.CheckAsync(client);
        }
        catch (WayangException gone)
        {
            throw new InvalidOperationException($"round {round}: {gone.Message}; the daemon's log ends:\n{LogOf(serve)}", gone);
        }

        await EndAsync(serve);
        Directory.Delete(state, recursive: true);
        return lost;
    }

    private void Serve(string state) => Configure(string.Create(CultureInfo.InvariantCulture, $"http_port: 0\nstate:\n  directory: {state}\n"));
}
