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
/// The daemon is killed at random moments under durable load: each task that was acknowledged has one end, and what was told of it stays true; the stream of events has
/// no hole, and tells each end once.
/// </summary>
[Collection("runtimes")]
[SupportedOSPlatform("linux")]
[Trait("Promise", "TR4")]
[Trait("Promise", "COM2")]
public sealed class DurableKillTests : DaemonKillTest
{
    private const int Bound = 1_800_000;
    private static readonly int s_rounds = Environment.GetEnvironmentVariable("WAYANG_TEST_LONG") == "1" ? 200 : 10;

    private readonly ConcurrentDictionary<TaskId, TaskState> _told = new();
    private readonly ConcurrentDictionary<TaskId, byte> _acknowledged = new();
    private readonly Dictionary<TaskId, TaskState> _ended = [];
    private long _seen;

    [Fact(Timeout = Bound)]
    public async Task Each_acknowledged_task_has_one_end_however_often_the_daemon_is_killed()
    {
        await GiveStateToDaemonAsync();
        Configure(string.Create(CultureInfo.InvariantCulture, $"http_port: 0\nstate:\n  directory: {State}\n"));
        var seed = Environment.TickCount;
        var random = new Random(seed);
        var lost = 0;
        try
        {
            for (var done = 0; done < s_rounds;)
            {
                // A keeper starts a daemon again a few times a minute at most: so many rounds each.
                await using var serve = await StartAsync();
                for (var i = 0; i < 4 && done < s_rounds; i++, done++)
                {
                    await KillUnderLoadAsync(serve, clients: 8, TimeSpan.FromMilliseconds(random.Next(1_000)), CallAsync);
                    lost += await CheckAsync(serve);
                }

                await EndAsync(serve);
            }
        }
        catch (Exception failure)
        {
            throw new InvalidOperationException($"seed {seed}: {failure.Message}", failure);
        }

        Assert.True(_acknowledged.Count >= s_rounds, $"{_acknowledged.Count} tasks were acknowledged in {s_rounds} rounds");
        Assert.InRange(lost, 0, _acknowledged.Count - 1);
        Directory.Delete(State, recursive: true);
    }

    /// <summary>Of three, one fails and one takes a while; remembers what it was told.</summary>
    private async Task CallAsync(WayangClient client, int which)
    {
        for (var i = 0; i < 3; i++)
        {
            var spec = TaskSpec.Command("/bin/sh", "-c", i switch { 0 => "exit 0", 1 => "sleep 0.05", _ => "exit 7" }) with
            {
                Durable = true, Retry = which == 0 ? new RetrySpec(3) { Backoff = TimeSpan.FromMilliseconds(10) } : null,
            };
            var id = await client.SubmitAsync(spec, TestContext.Current.CancellationToken);
            _acknowledged[id] = 0;
            if (i % 2 == 0)
            {
                _told[id] = (await client.WaitAsync(id, cancellation: TestContext.Current.CancellationToken)).State;
            }
        }
    }

    /// <returns>How many were lost with the daemon.</returns>
    private async Task<int> CheckAsync(Orphanage serve)
    {
        await using var client = await ConnectAsync(serve);
        var lost = 0;
        foreach (var id in _acknowledged.Keys)
        {
            var end = await client.WaitAsync(id, TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken);
            Assert.True(end.State >= TaskState.Succeeded, $"{id} is {end.State}");
            Assert.Equal(end.State, _told.GetOrAdd(id, end.State));
            lost += end.Cause.Type == CauseType.NodeLost ? 1 : 0;
            Assert.True(end.Cause.Type is CauseType.Exit or CauseType.NodeLost, $"{id}: {end.Cause}");
        }

        await CheckEventsAsync(client);
        return lost;
    }

    /// <summary>No number is missing since the first start, and each task has one end there, whose state is what its waiters were told.</summary>
    private async Task CheckEventsAsync(WayangClient client)
    {
        while (await client.ListEventsAsync(new EventQuery { Since = _seen, Limit = 1_000 }, TestContext.Current.CancellationToken) is { Events.Count: > 0 } batch)
        {
            foreach (var told in batch.Events)
            {
                Assert.True(_seen == 0 || told.Sequence == _seen + 1, $"behind {_seen} comes {told.Json}");
                Assert.NotEqual("wayang.events.gap", told.Type);
                _seen = told.Sequence;
                if (TaskId.TryParse(told.Subject, out var id) && WireNames.TryParse<TaskState>(told.Type["wayang.task.".Length..], out var state) && state >= TaskState.Succeeded)
                {
                    Assert.True(_ended.TryAdd(id, state), $"{id} ended {_ended[id]}, and again: {told.Json}");
                }
            }
        }

        foreach (var id in _acknowledged.Keys)
        {
            Assert.Equal(_told[id], _ended[id]);
        }
    }
}
