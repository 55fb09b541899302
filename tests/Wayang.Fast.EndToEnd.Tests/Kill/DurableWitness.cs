using System.Collections.Concurrent;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Kill;

/// <summary>Remembers which durable tasks were acknowledged and what was told of them, and asks a daemon whether it still says so. Thread-safe but for its checks.</summary>
internal sealed class DurableWitness
{
    private readonly ConcurrentDictionary<TaskId, TaskState> _told = new();
    private readonly ConcurrentDictionary<TaskId, byte> _acknowledged = new();
    private readonly Dictionary<TaskId, TaskState> _ended = [];
    private long _seen;

    public int Acknowledged => _acknowledged.Count;

    public void Acknowledge(TaskId id) => _acknowledged[id] = 0;

    public void Tell(TaskId id, TaskState state) => _told[id] = state;

    /// <summary>Each acknowledged task has one end, which is what was told of it; no event is missing, and each end is told once.</summary>
    /// <returns>How many tasks were lost with a daemon.</returns>
    public async Task<int> CheckAsync(WayangClient client)
    {
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
