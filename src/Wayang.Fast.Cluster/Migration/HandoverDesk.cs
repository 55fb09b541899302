using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using Wayang.Fast.Cluster.Membership;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Cluster.Migration;

/// <summary>Where this node's calls are that go on at peers, and what moves them. It holds nothing that would be missed: what a task is, its record says.</summary>
public sealed class HandoverDesk : ITaskMoves, IMetricSource, IAsyncDisposable
{
    /// <summary>How long who comes to a move that is told to be over waits for its last words.</summary>
    internal static readonly TimeSpan Soon = TimeSpan.FromSeconds(5);

    private readonly ConfiguredMembership _membership;
    private readonly IHandoverHome _home;
    private readonly Func<TimeSpan> _lease;
    private readonly HandoverReport _report;
    private readonly ConcurrentDictionary<TaskId, Departure> _departures = new();
    private readonly CancellationTokenSource _stop = new();
    private long _epoch;

    /// <param name="membership">The peers.</param>
    /// <param name="home">This node's calls.</param>
    /// <param name="lease">For how long a host keeps a call that its home does not ask about.</param>
    /// <param name="events">Told each move.</param>
    public HandoverDesk(ConfiguredMembership membership, IHandoverHome home, Func<TimeSpan> lease, EventDesk events)
    {
        (_membership, _home, _lease, _report) = (membership, home, lease, new HandoverReport(events));
    }

    public Task<(TaskMoves? Moves, OperationError? Refusal)> MigrateAsync(TaskId id, int tenant, string? node, MoveReason why, CancellationToken cancellation) =>
        MoveAsync(id, tenant, node, why).WaitAsync(cancellation);

    public void WriteMetrics(Exposition exposition)
    {
        ArgumentNullException.ThrowIfNull(exposition);
        _report.Write(exposition, _departures.Values.Count(static d => d.IsAway));
    }

    /// <summary>What is away is let go there: it ends with this node, or stands in its file here.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(_departures.Values.Select(static d => d.Over)).ConfigureAwait(false);
        _stop.Dispose();
    }

    private async Task<(TaskMoves? Moves, OperationError? Refusal)> MoveAsync(TaskId id, int tenant, string? node, MoveReason why)
    {
        var self = _membership.Self.Node;
        var target = string.Equals(node, self, StringComparison.Ordinal) ? null : node;
        if (_home.Describe(id, tenant, out var call) is { } unfit)
        {
            return (null, unfit);
        }

        var link = target is null ? null : _membership.Find(target);
        if (target is not null && link is null)
        {
            var known = string.Join(", ", _membership.List().Select(static p => p.Name));
            return (null, new(ErrorCode.NotFound, $"no peer '{target}' in this node's configuration: it has {known}", "to"));
        }

        if (call!.Stay is not null)
        {
            return await FromAwayAsync(id, tenant, target, link, why).ConfigureAwait(false);
        }

        if (link is not null)
        {
            if (call.LosesWork && why is MoveReason.Preempted or MoveReason.Balance)
            {
                return (null, new(ErrorCode.Unsupported, "it would begin anew there, and what it has done would be lost (migration: restart)", "task"));
            }

            return await LeaveAsync(id, tenant, call, link, why).ConfigureAwait(false);
        }

        // It has ended away, and is just about to be told so here: its stay is over before its end is seen.
        return (null, _departures.TryGetValue(id, out var ending) && ending.IsAway
            ? new(ErrorCode.Conflict, $"it is just ending at node '{ending.Node}'", "task", 100)
            : new(ErrorCode.Conflict, $"it is at home already, at node '{self}'", "to"));
    }

    /// <summary>It is at another node: it comes home, and goes on from there to the next.</summary>
    private async Task<(TaskMoves? Moves, OperationError? Refusal)> FromAwayAsync(TaskId id, int tenant, string? target, PeerLink? link, MoveReason why)
    {
        if (!_departures.TryGetValue(id, out var away))
        {
            return (null, new(ErrorCode.Conflict, "it is on its way home", "task", 100));
        }

        if (string.Equals(away.Node, target, StringComparison.Ordinal))
        {
            return (null, new(ErrorCode.Conflict, $"it is at node '{target}' already", "to"));
        }

        var (moves, refusal) = await away.RecallAsync(goesOn: link is null).ConfigureAwait(false);
        if (link is null || refusal is not null)
        {
            return (moves, refusal);
        }

        (moves, refusal) = _home.Describe(id, tenant, out var call) is { } unfit ? (null, unfit) : await LeaveAsync(id, tenant, call!, link, why).ConfigureAwait(false);
        if (refusal is not null)
        {
            await _home.ResumeAsync(id).ConfigureAwait(false); // it stands in its file since it was called back
        }

        return (moves, refusal);
    }

    private async Task<(TaskMoves? Moves, OperationError? Refusal)> LeaveAsync(TaskId id, int tenant, DepartingCall call, PeerLink link, MoveReason why)
    {
        var epoch = Interlocked.Increment(ref _epoch);
        var name = string.Create(CultureInfo.InvariantCulture, $"{id}-{epoch}-{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8))}");
        var departure = new Departure(_home, link, _membership.Self.Boot, _lease(), _report, new Departing(id, tenant, name, call, why));
        while (!_departures.TryAdd(id, departure))
        {
            if (_departures.TryGetValue(id, out var other) && !await IsOverSoonAsync(other.Over, other.IsAway, TimeProvider.System).ConfigureAwait(false))
            {
                return (null, new(ErrorCode.Conflict, "it is being moved already", "task", 100));
            }

            Forget(id, other);
        }

        var moved = departure.RunAsync(_stop.Token);
        _ = departure.Over.ContinueWith(_ => Forget(id, departure), TaskScheduler.Default);
        return await moved.ConfigureAwait(false);
    }

    /// <summary>A move that is told to be over has some words to say to the other node yet; who comes meanwhile waits for it.</summary>
    /// <param name="over">Completes when the move is over.</param>
    /// <param name="isAway">The call goes on elsewhere: nobody knows how long that takes.</param>
    /// <param name="time">Says how long soon is.</param>
    internal static async Task<bool> IsOverSoonAsync(Task over, bool isAway, TimeProvider time)
    {
        try
        {
            await over.WaitAsync(isAway ? TimeSpan.Zero : Soon, time).ConfigureAwait(false);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    private void Forget(TaskId id, Departure? departure)
    {
        if (departure is not null)
        {
            _departures.TryRemove(new KeyValuePair<TaskId, Departure>(id, departure));
        }
    }
}

/// <param name="Name">Of the hand-over.</param>
internal sealed record Departing(TaskId Task, int Tenant, string Name, DepartingCall Call, MoveReason Why);
