using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Cluster.Migration;

/// <summary>
/// A node's drain. It looks at the node's tasks again and again, and does for each what can be done now: a call of this node goes to a peer with room, one of another node goes home, what waits begins in the slots that
/// become free, all else ends here. Each move is a hand-over as any (<see cref="HandoverDesk"/>): whatever dies meanwhile, nothing is lost. The drain itself is kept nowhere: a node that is started anew takes work.
/// </summary>
public sealed class DrainDesk : INodeDrain, IMetricSource, IAsyncDisposable
{
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(100);

    private readonly IDrainable _node;
    private readonly ITaskMoves? _moves;
    private readonly INodeMembership? _membership;
    private readonly EventDesk _events;
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _stop = new();
    private DrainRun? _run;
    private int _moved;
    private int _givenBack;

    /// <param name="node">Its tasks.</param>
    /// <param name="moves">Moves its calls; null: it has no peers.</param>
    /// <param name="membership">Its peers; null: none.</param>
    /// <param name="events">Told when it begins, is over, and is undone.</param>
    public DrainDesk(IDrainable node, ITaskMoves? moves, INodeMembership? membership, EventDesk events) => (_node, _moves, _membership, _events) = (node, moves, membership, events);

    /// <summary>The node takes no new work.</summary>
    public bool IsDraining
    {
        get
        {
            lock (_lock)
            {
                return _run is not null;
            }
        }
    }

    public async Task<(DrainProgress? Progress, OperationError? Refusal)> DrainAsync(string? to, TimeSpan wait, int tenant, CancellationToken cancellation)
    {
        if (to is not null && _membership?.List().Any(p => string.Equals(p.Name, to, StringComparison.Ordinal)) != true)
        {
            return (null, new(ErrorCode.NotFound, $"no peer '{to}' in this node's configuration ('wayang peers' lists them)", "to"));
        }

        DrainRun run;
        bool changed;
        lock (_lock)
        {
            changed = _run is null || (to is not null && to != _run.To);
            if (_run is null)
            {
                _node.RefusesWork = true;
                _run = new DrainRun(_node, _moves, _membership, CancellationTokenSource.CreateLinkedTokenSource(_stop.Token));
                _run.OnMoved = isHome => Interlocked.Increment(ref isHome ? ref _givenBack : ref _moved);
                _events.Post(EventTypes.NodeDraining, EventSeverity.Info, EventData.Nothing);
                _ = LoopAsync(_run);
            }

            run = _run;
            run.To = to ?? run.To;
        }

        try
        {
            await run.Drained.WaitAsync(wait, cancellation).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // Then it is told how far it is.
        }

        return (run.Describe(out _) with { Changed = changed }, null);
    }

    public DrainProgress Undo()
    {
        lock (_lock)
        {
            if (_run is { } run)
            {
                run.End();
                _run = null;
                _node.RefusesWork = false;
                _events.Post(EventTypes.NodeServing, EventSeverity.Info, EventData.Nothing);
                return run.Describe(out _) with { State = DrainState.Serving, Changed = true };
            }
        }

        return new DrainProgress(DrainState.Serving, null, 0, 0, 0, 0, 0, []);
    }

    public string? Explain(TaskId id, TaskState state)
    {
        DrainRun? run;
        lock (_lock)
        {
            run = _run;
        }

        return state >= TaskState.Succeeded ? null : run?.Explain(id);
    }

    public void WriteMetrics(Exposition exposition)
    {
        ArgumentNullException.ThrowIfNull(exposition);
        exposition.Gauge("wayang_node_draining", "1: the node is being drained and takes no new work.");
        exposition.Sample(IsDraining ? 1 : 0);
        exposition.Counter("wayang_drain_moves_total", "Calls that left this node as it was drained.");
        exposition.Sample(Volatile.Read(ref _moved), "where", "peer");
        exposition.Sample(Volatile.Read(ref _givenBack), "where", "home");
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        if (_run is { } run)
        {
            await run.Over.ConfigureAwait(false);
        }

        _stop.Dispose();
    }

    private async Task LoopAsync(DrainRun run)
    {
        try
        {
            while (!run.IsOver)
            {
                if (run.Pass())
                {
                    _events.Post(EventTypes.NodeDrained, EventSeverity.Info, EventData.Nothing);
                }

                await Task.Delay(s_look, run.Token).ConfigureAwait(false); // ends are told to who asked for them, not here
            }
        }
        catch (OperationCanceledException)
        {
            // Undone, or the node stops.
        }
        finally
        {
            run.Leave();
        }
    }
}
