using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Checkpoints;
using Wayang.Fast.Execution.Life;

namespace Wayang.Fast.Execution.Handover;

/// <content>Connections that bring a call here or take one home, and the word behind a call that came.</content>
internal sealed partial class VisitBook
{
    private static readonly TimeSpan s_farewell = TimeSpan.FromSeconds(2);

    /// <summary>So long a call that goes home waits for a home that takes nothing of it; then it is there in its file.</summary>
    private static readonly TimeSpan s_stall = TimeSpan.FromSeconds(10);

    public async Task CarryAsync(string peer, Stream connection, CancellationToken patience)
    {
        try
        {
            if (await CallStream.ReadPrefaceAsync(connection, patience).ConfigureAwait(false) is not var (direction, handover))
            {
                return; // nobody who speaks this
            }

            if (!TryEnter(peer, handover, out var visit))
            {
                Say(connection, CallWord.Refused(Unknown(handover)));
                return;
            }

            await (direction == CallDirection.ToHost ? TakeAsync(visit, connection) : SendAsync(visit, connection)).ConfigureAwait(false);
            using var farewell = new CancellationTokenSource(s_farewell);
            _ = await connection.ReadAsync(new byte[1], farewell.Token).ConfigureAwait(false); // its home hangs up: who closes first may take the last word along
        }
        catch (Exception failure) when (failure is IOException or ObjectDisposedException or InvalidOperationException or OperationCanceledException)
        {
            // Its home sees the end of the connection, and asks for what became of it.
        }
    }

    public async Task<(VisitNews? News, OperationError? Refusal)> CommitAsync(string peer, string handover, CancellationToken cancellation)
    {
        if (!TryEnter(peer, handover, out var visit))
        {
            return (null, Unknown(handover));
        }

        OperationError? refusal;
        try
        {
            refusal = Commit(visit);
        }
        finally
        {
            visit.Turn.Release();
        }

        return refusal is not null ? (null, refusal) : await WatchAsync(peer, handover, visit.Adoption, s_moment, cancellation).ConfigureAwait(false);
    }

    /// <summary>Its call comes. Entered with its turn, which this gives back.</summary>
    private Task TakeAsync(Visit visit, Stream connection)
    {
        try
        {
            if (visit.State != VisitState.Offered || visit.Arriving is not null)
            {
                Say(connection, CallWord.Refused(new OperationError(ErrorCode.Conflict, "it has come, or is just coming", "handover")));
                return Task.CompletedTask;
            }

            Say(connection, new CallWord(CallWordKind.Ready, 0));
            visit.Arriving = connection;
            var awaiting = visit.Awaiting;
            visit.Awaiting = null;
            return BesideAsync(() => Take(visit, connection, awaiting));
        }
        finally
        {
            visit.Turn.Release();
        }
    }

    private void Take(Visit visit, Stream connection, Standby? awaiting)
    {
        var receiver = new CallReceiver(connection, () =>
        {
            visit.Hear();
            HandoverFaults.Reach(HandoverPoint.HostReceiving);
        });
        OperationError? refusal = null;
        TaskCheckpoint? file = null;
        CallBeginning? beginning = null;
        try
        {
            if (visit.BeginsAnew)
            {
                var limits = _options.Current;
                beginning = CallBeginning.Receive(receiver, limits.MaxPayloadBytes, limits.MaxStateBytes);
            }
            else
            {
                file = _store!.Adopt(
                    receiver, durable: false, (visit.Task, visit.Spec.Image, visit.Spec.Profile), awaiting, (begun, shape) => _standbys.Take(begun, visit.Pool, visit.Task, shape));
            }
        }
        catch (Exception failure) when (failure is InvalidDataException or IOException or UnauthorizedAccessException or ObjectDisposedException or InvalidOperationException)
        {
            refusal = OfFile(failure);
        }

        visit.Turn.Wait();
        visit.Arriving = null;
        if (refusal is null && visit.State != VisitState.Offered)
        {
            refusal = Unknown(visit.Offer.Handover); // let go meanwhile
            if (file is not null)
            {
                CheckpointStore.DeleteSoon(file);
            }
        }
        else if (refusal is null)
        {
            (visit.File, visit.Beginning) = (file, beginning);
            visit.TryEnter(VisitState.Prepared);
            HandoverFaults.Reach(HandoverPoint.HostPrepared);
        }

        visit.Turn.Release();
        Say(connection, refusal is null ? new CallWord(CallWordKind.Kept, receiver.Received) : CallWord.Refused(refusal));
    }

    /// <summary>Its home will take it on this connection, as it is written down, or as it was. Entered with its turn, which this gives back.</summary>
    private async Task SendAsync(Visit visit, Stream connection)
    {
        CallSender sender;
        CallFile? back;
        var beginning = visit.Beginning;
        try
        {
            back = visit.Back;
            if (back is null && (visit.State != VisitState.Begun || visit.BeginsAnew))
            {
                Say(connection, CallWord.Refused(new OperationError(ErrorCode.Conflict, "it does not go back with a file", "handover")));
                return;
            }

            Say(connection, new CallWord(CallWordKind.Ready, 0));
            connection.ReadTimeout = (int)s_stall.TotalMilliseconds;
            visit.WayHome?.Dispose();
            visit.WayHome = sender = new CallSender(connection);
        }
        finally
        {
            visit.Turn.Release();
        }

        if (back is not null)
        {
            await BesideAsync(() => SendBack(back, beginning, sender)).ConfigureAwait(false);
        }

        _ = await sender.Kept.ConfigureAwait(false); // its home knows whether it has it
    }

    private void SendBack(CallFile back, CallBeginning? beginning, CallSender sender)
    {
        if (beginning is not null)
        {
            beginning.Send(sender);
            return;
        }

        try
        {
            _store!.Send(back.Path!, sender);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            sender.Dispose(); // its home sees that it breaks off
        }
    }

    private static void Say(Stream connection, in CallWord word)
    {
        connection.Write(word.Encode());
        connection.Flush();
    }

    /// <summary>What waits for the disk, or for another node, has a thread of its own.</summary>
    private static Task BesideAsync(Action work) => Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private OperationError? Commit(Visit visit)
    {
        if (visit.State != VisitState.Prepared)
        {
            return visit.State == VisitState.Offered ? new OperationError(ErrorCode.Conflict, "its file is not whole here", "handover") : null;
        }

        visit.TryEnter(VisitState.Adopted);
        if (_service.AdmitVisit(visit.Task, visit.Tenant, visit.Spec, visit.File, visit.Beginning, visit) is { } refusal)
        {
            visit.TryEnter(VisitState.Returned, refusal.Message);
            return null; // the news say it
        }

        if (visit.Beginning?.Saved is { } saved)
        {
            RestoreSaved(visit, saved);
        }

        (visit.File, visit.Beginning) = (null, null);
        HandoverFaults.Reach(HandoverPoint.HostAdopting);
        _ = _life.AskAsync(new LifeRequest(LifeRequestKind.Resume, visit.Task) { OfHandover = true });
        return null;
    }

    /// <summary>Before it is resumed: what comes after waits behind this.</summary>
    private void RestoreSaved(Visit visit, byte[] saved) => _ = _life.AskAsync(new LifeRequest(LifeRequestKind.Handover, visit.Task)
    {
        OfHandover = true,
        Step = record =>
        {
            if (ReferenceEquals(record.Life?.Visit, visit))
            {
                _lifecycle.RestoreSaved(record, saved);
                visit.CameWithSaved();
            }

            return null;
        },
    });

    /// <summary>A worker is made before anything of its call stands still.</summary>
    private void BeginWorker(Visit visit, WorkerShape shape)
    {
        visit.Turn.Wait();
        visit.Awaiting = _standbys.TryBegin(visit.Pool, visit.Task, shape);
        visit.Turn.Release();
    }
}
