using System.Collections.Concurrent;
using System.Diagnostics;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Checkpoints;
using Wayang.Fast.Execution.Completions;
using Wayang.Fast.Execution.Durable;
using Wayang.Fast.Execution.Life;

namespace Wayang.Fast.Execution.Handover;

/// <summary>Other nodes' calls that go on here, by the names of their hand-overs. Messages about one come one at a time; those about different ones do not wait for each other.</summary>
internal sealed partial class VisitBook : IHandoverHost, IDisposable
{
    private const int MaxVisits = 4_096;
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(500);

    private readonly ConcurrentDictionary<string, Visit> _visits = new(StringComparer.Ordinal);
    private readonly TaskService _service;
    private readonly TenantDirectory _tenants;
    private readonly TaskTable _table;
    private readonly TaskLifecycle _lifecycle;
    private readonly LifeService _life;
    private readonly CompletionThread _completion;
    private readonly CheckpointStore? _store;
    private readonly Standbys _standbys;
    private readonly LiveOptions _options;
    private readonly ITimer _timer;

    public VisitBook(
        TaskService service, TenantDirectory tenants, TaskTable table, TaskLifecycle lifecycle, LifeService life, CompletionThread completion, CheckpointStore? store, Standbys standbys,
        LiveOptions options)
    {
        (_service, _tenants, _table, _lifecycle, _life, _completion, _store, _options) = (service, tenants, table, lifecycle, life, completion, store, options);
        _standbys = standbys;
        _timer = TimeProvider.System.CreateTimer(static book => ((VisitBook)book!).LookForLost(), this, s_look, s_look);
    }

    /// <summary>Visits that are not over.</summary>
    public int Count => _visits.Values.Count(static v => v.State is not (VisitState.Ended or VisitState.Returned));

    public async Task<OperationError?> OfferAsync(VisitOffer offer)
    {
        var since = Stopwatch.GetTimestamp();
        while (Offer(offer) is { } refusal)
        {
            // Its image is loaded under the call's profile when somebody first asks for that.
            if (refusal is not { Code: ErrorCode.Unavailable, RetryAfterMs: { } pause } || Stopwatch.GetElapsedTime(since) > _options.Current.HandoverLease / 2)
            {
                return refusal;
            }

            await Task.Delay((int)pause).ConfigureAwait(false);
        }

        if (_visits.TryGetValue(offer.Handover, out var visit) && visit.Awaiting is { } awaiting)
        {
            await awaiting.WhenPreparedAsync().ConfigureAwait(false);
        }

        return null;
    }

    public OperationError? Stop(string peer, string handover, TaskState state, in TaskCause cause)
    {
        if (!TryEnter(peer, handover, out var visit))
        {
            return Unknown(handover);
        }

        if (visit.State is VisitState.Adopted or VisitState.Begun)
        {
            _completion.Post(new CompletionCommand(CompletionCommandKind.Stop, Id: visit.Task, State: state, Cause: cause));
        }

        visit.Turn.Release();
        return null;
    }

    public void OnGreeted(string peer, string boot)
    {
        foreach (var (name, visit) in _visits)
        {
            if (string.Equals(visit.Home, peer, StringComparison.Ordinal) && !string.Equals(visit.Offer.Boot, boot, StringComparison.Ordinal))
            {
                Drop(name, visit);
            }
        }
    }

    public OperationError? Release(string peer, string handover)
    {
        if (_visits.TryGetValue(handover, out var visit) && string.Equals(visit.Home, peer, StringComparison.Ordinal))
        {
            Drop(handover, visit);
        }

        return null;
    }

    public void Dispose() => _timer.Dispose();

    private OperationError? Offer(in VisitOffer offer)
    {
        if (_visits.TryGetValue(offer.Handover, out var known))
        {
            return string.Equals(known.Home, offer.Peer, StringComparison.Ordinal) ? null : Unknown(offer.Handover);
        }

        if (_visits.Count >= MaxVisits)
        {
            return new OperationError(ErrorCode.ResourceExhausted, $"it has {MaxVisits} calls of other nodes already", "node", 1000);
        }

        var name = offer.Tenant;
        if ((string.Equals(name, TenantDirectory.DefaultName, StringComparison.Ordinal) ? _tenants.Of(0) : _tenants.All.FirstOrDefault(t => string.Equals(t.Policy.Name, name, StringComparison.Ordinal))) is not { } tenant)
        {
            return new OperationError(ErrorCode.NotFound, $"it knows no tenant '{name}': give it one of that name (tenants:)", "tenant");
        }

        try
        {
            var spec = SpecCodec.Decode(offer.Spec);
            spec = spec with { Data = default, Command = null, Terms = new TaskTerms { Limits = spec.Terms.Limits, Migration = spec.Terms.Migration } };
            if (_store is null && spec.Terms.Migration == TaskMigration.Transparent)
            {
                return new OperationError(ErrorCode.Unsupported, "it has no directory for checkpoints: it was started without a state directory", "node");
            }

            if (_service.RefuseVisit(spec, tenant.Policy.Id, out var pool) is { } refusal)
            {
                return refusal;
            }

            var shape = offer.Shape.Length == 0 ? null : WorkerShape.Decode(offer.Shape);
            var visit = new Visit(offer, tenant.Policy.Id, spec) { Over = EndRecord, Pool = pool! };
            if (_visits.TryAdd(offer.Handover, visit) && shape is not null)
            {
                BeginWorker(visit, shape);
            }

            HandoverFaults.Reach(HandoverPoint.HostOffered);
            return null;
        }
        catch (InvalidDataException failure)
        {
            return new OperationError(ErrorCode.InvalidArgument, $"the description of the call cannot be read: {failure.Message}", "spec");
        }
    }

    private static OperationError Unknown(string handover) => new(ErrorCode.NotFound, $"no hand-over '{handover}' here: it was never offered, or is over", "handover");

    private static OperationError OfFile(Exception failure) => failure is InvalidDataException ? new(ErrorCode.InvalidArgument, failure.Message, "data") : new(ErrorCode.Unavailable, $"its disk, or the connection: {failure.Message}", "node");

    /// <summary>Nobody asked for it for so long that its home counts it as lost soon: what it does here is for nobody.</summary>
    private void LookForLost()
    {
        foreach (var (name, visit) in _visits)
        {
            if (visit.Silence > _options.Current.HandoverLease)
            {
                Drop(name, visit);
            }
        }
    }

    private bool TryEnter(string peer, string handover, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out Visit? visit)
    {
        if (!_visits.TryGetValue(handover, out visit) || !string.Equals(visit.Home, peer, StringComparison.Ordinal))
        {
            visit = null;
            return false;
        }

        visit.Hear();
        visit.Turn.Wait();
        if (_visits.ContainsKey(handover))
        {
            return true;
        }

        visit.Turn.Release();
        visit = null;
        return false; // dropped meanwhile
    }

    /// <summary>Nothing of it is left here, whatever it did.</summary>
    private void Drop(string name, Visit visit)
    {
        if (!_visits.TryRemove(new KeyValuePair<string, Visit>(name, visit)))
        {
            return;
        }

        _ = Task.Run(async () =>
        {
            await visit.Turn.WaitAsync().ConfigureAwait(false);
            visit.TryEnter(VisitState.Returned, "its home let it go");
            EndRecord(visit);
            visit.Arriving?.Dispose();
            visit.Awaiting?.Dispose();
            visit.WayHome?.Dispose();
            foreach (var path in (string?[])[visit.File?.File, visit.Back?.Path])
            {
                if (path is not null)
                {
                    CheckpointDeletion.DeleteSoon(path);
                }
            }

            visit.Turn.Release();
        });
    }

    /// <summary>Ends what runs or waits here of a visit that is over. A later visit of the same task is another record's.</summary>
    private void EndRecord(Visit visit) => _ = _life.AskAsync(new LifeRequest(LifeRequestKind.Handover, visit.Task)
    {
        OfHandover = true,
        Step = record =>
        {
            if (!ReferenceEquals(record.Life?.Visit, visit))
            {
                return null;
            }

            if (record.State == TaskState.Queued)
            {
                if (_lifecycle.EndVisit(record) is { } file)
                {
                    CheckpointStore.DeleteSoon(file);
                }
            }
            else
            {
                _completion.Post(new CompletionCommand(
                    CompletionCommandKind.Stop, Id: visit.Task, State: TaskState.Cancelled, Cause: new TaskCause(CauseType.Cancelled, 0, $"node '{visit.Home}' let it go")));
            }

            return null;
        },
    });
}
