using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Execution.Checkpoints;
using Wayang.Fast.Execution.Life;

namespace Wayang.Fast.Execution.Handover;

/// <content>The way here: a call's file, piece by piece, and the two words behind it. Several messages may be under way at once, and need not come here in the order in which they were sent.</content>
internal sealed partial class VisitBook
{
    /// <summary>How long a message waits for one that was sent before it.</summary>
    private static readonly TimeSpan s_order = TimeSpan.FromSeconds(5);

    public async Task<OperationError?> TakeAsync(string peer, string handover, long offset, ReadOnlyMemory<byte> piece, ReadOnlyMemory<byte> key)
    {
        try
        {
            var (refusal, room) = await InOrderAsync(peer, handover, offset, visit => Take(visit, offset, piece.Span, key.Span)).ConfigureAwait(false);
            return refusal ?? await room!.ConfigureAwait(false); // others need not wait for the room that this one waits for
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return Disk(failure);
        }
    }

    public async Task<OperationError?> PrepareAsync(string peer, string handover, long bytes)
    {
        try
        {
            var (refusal, kept) = await InOrderAsync(peer, handover, bytes, visit => Prepare(visit, bytes)).ConfigureAwait(false);
            return refusal ?? await kept!.ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is InvalidDataException or IOException or UnauthorizedAccessException)
        {
            return OfFile(failure);
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

    /// <summary>Does something with a visit once so much of its file is there, and the last piece has its room: at once where it is over or unknown, which the step says.</summary>
    private async Task<(OperationError? Refusal, Task<OperationError?>? Done)> InOrderAsync(string peer, string handover, long behind, Func<Visit, Task<OperationError?>> step)
    {
        while (true)
        {
            if (!TryEnter(peer, handover, out var visit))
            {
                return (Unknown(handover), null);
            }

            Task before;
            try
            {
                if (visit.State != VisitState.Offered || (visit.Received >= behind && visit.Room.IsCompleted) || behind > HandoverFields.MaxFile)
                {
                    return (null, step(visit));
                }

                before = visit.Received < behind ? visit.NextPiece : visit.Room;
            }
            finally
            {
                visit.Turn.Release();
            }

            try
            {
                await before.WaitAsync(s_order).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                return (new OperationError(ErrorCode.Conflict, $"of {behind} bytes {visit.Received} are here, and nothing more came for {s_order.TotalSeconds} s", "offset"), null);
            }
        }
    }

    private Task<OperationError?> Take(Visit visit, long offset, ReadOnlySpan<byte> piece, ReadOnlySpan<byte> key) =>
        visit.State != VisitState.Offered ? Task.FromResult<OperationError?>(null) // all of it is there
        : visit.Arriving is null && key.IsEmpty ? Task.FromResult<OperationError?>(new(ErrorCode.InvalidArgument, "the key of its file comes with its first piece", "key"))
        : offset > HandoverFields.MaxFile - piece.Length ? Task.FromResult<OperationError?>(new(ErrorCode.InvalidArgument, $"a file of more than {HandoverFields.MaxFile} bytes", "offset"))
        : Receive(visit, offset, piece, key);

    private Task<OperationError?> Receive(Visit visit, long offset, ReadOnlySpan<byte> piece, ReadOnlySpan<byte> key)
    {
        if (visit.Arriving is not { } file)
        {
            var awaiting = visit.Awaiting;
            file = new ArrivingFile(
                _store!, durable: false, (visit.Task, visit.Spec.Image, visit.Spec.Profile), key, awaiting, (begun, shape) => _standbys.Take(begun, visit.Pool, visit.Task, shape));
            (visit.Arriving, visit.Awaiting) = (file, null);
        }

        var before = file.Received - offset;
        if (before >= piece.Length)
        {
            return Task.FromResult<OperationError?>(null);
        }

        var room = AnswerAsync(file.AppendAsync(piece[(int)before..]));
        visit.Take(file.Received, room);
        return room;
    }

    private static async Task<OperationError?> AnswerAsync(Task appended)
    {
        try
        {
            await appended.ConfigureAwait(false);
            HandoverFaults.Reach(HandoverPoint.HostReceiving);
            return null;
        }
        catch (Exception failure) when (failure is InvalidDataException or IOException or UnauthorizedAccessException)
        {
            return OfFile(failure);
        }
    }

    private static Task<OperationError?> Prepare(Visit visit, long bytes)
    {
        if (visit.State != VisitState.Offered)
        {
            return Task.FromResult(visit.State == VisitState.Returned ? Unknown(visit.Offer.Handover) : null);
        }

        if (visit.Arriving is not { } file || file.Received != bytes)
        {
            return Task.FromResult<OperationError?>(new(ErrorCode.Conflict, $"of {bytes} bytes {visit.Received} are here", "bytes"));
        }

        visit.File = file.Keep();
        visit.Arriving = null;
        file.Dispose();
        visit.TryEnter(VisitState.Prepared);
        HandoverFaults.Reach(HandoverPoint.HostPrepared);
        return Task.FromResult<OperationError?>(null);
    }

    private OperationError? Commit(Visit visit)
    {
        if (visit.State != VisitState.Prepared)
        {
            return visit.State == VisitState.Offered ? new OperationError(ErrorCode.Conflict, "its file is not whole here", "handover") : null;
        }

        visit.TryEnter(VisitState.Adopted);
        if (_service.AdmitVisit(visit.Task, visit.Tenant, visit.Spec, visit.File!, visit) is { } refusal)
        {
            visit.TryEnter(VisitState.Returned, refusal.Message);
            return null; // the news say it
        }

        visit.File = null;
        HandoverFaults.Reach(HandoverPoint.HostAdopting);
        _ = _life.AskAsync(new LifeRequest(LifeRequestKind.Resume, visit.Task) { OfHandover = true });
        return null;
    }

    /// <summary>A worker is made before anything of its call stands still.</summary>
    private void BeginWorker(Visit visit, WorkerShape shape)
    {
        visit.Turn.Wait();
        visit.Awaiting = _standbys.TryBegin(visit.Pool, visit.Task, shape);
        visit.Turn.Release();
    }
}
