using System.Diagnostics;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Checkpoints;
using Wayang.Fast.Execution.Life;

namespace Wayang.Fast.Execution.Handover;

/// <content>What a home is told of its calls, and what it takes back.</content>
internal sealed partial class VisitBook
{
    private static readonly TimeSpan s_moment = TimeSpan.FromMilliseconds(200);
    private static readonly OutputStream[] s_streams = [OutputStream.Output, OutputStream.Stdout, OutputStream.Stderr, OutputStream.Log];

    public async Task<(VisitNews? News, OperationError? Refusal)> WatchAsync(string peer, string handover, long known, TimeSpan wait, CancellationToken cancellation)
    {
        if (!_visits.TryGetValue(handover, out var visit) || !string.Equals(visit.Home, peer, StringComparison.Ordinal))
        {
            return (null, Unknown(handover));
        }

        visit.Hear();
        Watch(visit);
        try
        {
            await visit.NewsAfter(known).WaitAsync(wait, cancellation).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // Then it is told what it knows, and how far the call is.
        }

        var lengths = new long[s_streams.Length];
        for (var i = 0; i < lengths.Length; i++)
        {
            _ = _lifecycle.ReadOutput(visit.Task, visit.Tenant, s_streams[i], 0, [], out var chunk);
            lengths[i] = s_streams[i] == OutputStream.Output ? 0 : chunk.Total;
        }

        var state = visit.State;
        if (state is VisitState.Begun or VisitState.Ended)
        {
            HandoverFaults.Reach(state == VisitState.Begun ? HandoverPoint.HostBegun : HandoverPoint.HostEnded);
        }

        if (visit.BeginsAnew && _lifecycle.TryPin(visit.Task, out var record))
        {
            if (record.Life is { } life && ReferenceEquals(life.Visit, visit))
            {
                visit.KeepSaved(life);
            }

            _lifecycle.Unpin(record);
        }

        return (visit.Describe(lengths, _table.Find(visit.Task)?.Progress), null);
    }

    public async Task<OperationError?> RecallAsync(string peer, string handover)
    {
        if (!TryEnter(peer, handover, out var visit))
        {
            return Unknown(handover);
        }

        try
        {
            return visit.State switch
            {
                VisitState.Begun when visit.BeginsAnew => await YieldAsync(visit).ConfigureAwait(false),
                VisitState.Begun => await WriteDownAsync(visit).ConfigureAwait(false),
                VisitState.Ended or VisitState.Returned => null,
                _ => TakeOut(visit),
            };
        }
        finally
        {
            visit.Turn.Release();
        }
    }

    /// <summary>This node wants it to go home: as if its home had called it back, which finds it returned.</summary>
    public Task<OperationError?> GiveBackAsync(TaskId id)
    {
        foreach (var (name, visit) in _visits)
        {
            if (visit.Task == id && visit.State is VisitState.Adopted or VisitState.Begun)
            {
                return RecallAsync(visit.Home, name);
            }
        }

        return Task.FromResult<OperationError?>(new(ErrorCode.Conflict, "it has ended, or goes home already", "task", 100));
    }

    /// <summary>Before this node ends: calls that save their states do so and go home, which completes when their homes have them.</summary>
    public Task SendSavedHomeAsync() => Task.WhenAll(_visits.Where(static v => v.Value.Spec.Terms.Migration == TaskMigration.Cooperative).Select(v => SendSavedHomeAsync(v.Key, v.Value)));

    private async Task SendSavedHomeAsync(string name, Visit visit)
    {
        while (visit.State == VisitState.Begun && await RecallAsync(visit.Home, name).ConfigureAwait(false) is { } refusal)
        {
            if (refusal.RetryAfterMs is not { } pause)
            {
                return; // it does not answer, or has ended
            }

            await Task.Delay((int)pause).ConfigureAwait(false);
        }

        while (_visits.ContainsKey(name))
        {
            await Task.Delay(s_look / 20).ConfigureAwait(false); // its home lets go of it
        }
    }

    public (VisitPiece? Piece, OperationError? Refusal) Read(string peer, string handover, VisitPart part, long offset)
    {
        if (!_visits.TryGetValue(handover, out var visit) || !string.Equals(visit.Home, peer, StringComparison.Ordinal))
        {
            return (null, Unknown(handover));
        }

        visit.Hear();
        return (ReadStream(visit, (int)part, offset), null);
    }

    private VisitPiece ReadStream(Visit visit, int index, long offset)
    {
        if ((index == (int)VisitPart.Saved ? visit.Saved ?? [] : visit.StreamOf(index)) is { } kept)
        {
            return new VisitPiece(offset < kept.Length ? kept.AsMemory((int)offset, (int)Math.Min(kept.Length - offset, HandoverFields.MaxPiece)) : default);
        }

        var buffer = new byte[HandoverFields.MaxPiece];
        _ = _lifecycle.ReadOutput(visit.Task, visit.Tenant, s_streams[index], offset, buffer, out var chunk);
        return new VisitPiece(buffer.AsMemory(0, chunk.Count));
    }

    private void Watch(Visit visit)
    {
        if (visit.State is VisitState.Adopted or VisitState.Begun && visit.TryBeginWatch())
        {
            foreach (var stream in s_streams)
            {
                _ = _lifecycle.AddWatch(visit.Task, visit.Tenant, stream, visit);
            }
        }
    }

    /// <summary>Its call is written down here as any is, and sent meanwhile if its home has opened a way; then its record ends without a word, and the file waits for its home.</summary>
    private async Task<OperationError?> WriteDownAsync(Visit visit)
    {
        if (await _life.AskAsync(new LifeRequest(LifeRequestKind.Checkpoint, visit.Task) { OfHandover = true, Sender = visit.WayHome }).ConfigureAwait(false) is { } refusal)
        {
            CloseWayHome(visit); // what it said of the call was nothing
            return refusal;
        }

        TaskCheckpoint? file = null;
        var ended = await TakeOutAsync(visit, record => file = _lifecycle.EndVisit(record)).ConfigureAwait(false);
        if (ended is not null || file is null)
        {
            CloseWayHome(visit);
            return ended ?? new OperationError(ErrorCode.Conflict, "it went on here meanwhile", "task", 100);
        }

        try
        {
            visit.TryEnter(VisitState.Returned, reason: null, CheckpointStore.Open(file));
            HandoverFaults.Reach(HandoverPoint.HostRecalled);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            CheckpointStore.DeleteSoon(file);
            visit.TryEnter(VisitState.Returned, $"it was written down there, and cannot be read: {failure.Message}");
        }

        return null;
    }

    /// <summary>Its call is asked for its place, or loses it; then its record ends without a word, and what it saved waits for its home. While it has not answered its home is to ask again.</summary>
    private async Task<OperationError?> YieldAsync(Visit visit)
    {
        var isFirst = visit.Yielding is null;
        var yielding = visit.Yielding ??= _life.AskAsync(new LifeRequest(LifeRequestKind.Checkpoint, visit.Task) { OfHandover = true });
        if (await Task.WhenAny(yielding, Task.Delay(s_moment)).ConfigureAwait(false) != yielding)
        {
            return new OperationError(ErrorCode.Conflict, "it is saving its state", "task", 100);
        }

        visit.Yielding = null;
        if (await yielding.ConfigureAwait(false) is { } refusal)
        {
            return isFirst ? refusal : new OperationError(refusal.Code, refusal.Message, refusal.Field); // it had its time
        }

        var since = Stopwatch.GetTimestamp();
        CallBeginning? left = null;
        if (await TakeOutAsync(visit, record =>
        {
            left = CallBeginning.Of(record, withInput: false);
            _lifecycle.EndVisit(record);
        }).ConfigureAwait(false) is { } ended)
        {
            return ended;
        }

        visit.Beginning = left;
        visit.TryEnter(VisitState.Returned, reason: null, new CallFile(null, left!.Bytes) { StandsSince = since });
        HandoverFaults.Reach(HandoverPoint.HostRecalled);
        return null;
    }

    /// <summary>Its call stands still: its record ends without a word.</summary>
    /// <param name="visit">Whose.</param>
    /// <param name="end">Ends it, on the completion thread.</param>
    private Task<OperationError?> TakeOutAsync(Visit visit, Action<TaskRecord> end) => _life.AskAsync(new LifeRequest(LifeRequestKind.Handover, visit.Task)
    {
        OfHandover = true,
        Step = record =>
        {
            if (!ReferenceEquals(record.Life?.Visit, visit) || record.State != TaskState.Queued)
            {
                return new OperationError(ErrorCode.Conflict, "it has just ended", "task", 100);
            }

            // What was said until now is read by its home from the copy, as of an end.
            visit.KeepStreams(record);
            end(record);
            return null;
        },
    });

    /// <summary>It did not go on yet: its home's own file is where it stands.</summary>
    private OperationError? TakeOut(Visit visit)
    {
        visit.TryEnter(VisitState.Returned, "it was called back before it went on there");
        EndRecord(visit);
        return null;
    }

    private static void CloseWayHome(Visit visit)
    {
        visit.WayHome?.Dispose();
        visit.WayHome = null;
    }
}
