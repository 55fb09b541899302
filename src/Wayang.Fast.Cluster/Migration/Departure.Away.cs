using System.Diagnostics;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Cluster.Migration;

/// <content>Behind the fence. The host's word ends the stay: the call's end, its file, or that it knows of none. So does its silence, after which it has let the call go itself.</content>
internal sealed partial class Departure
{
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan s_watch = TimeSpan.FromSeconds(1);

    /// <summary>A call is given up to 25 seconds to save its state (migration.yield_ms); the host says when that is over.</summary>
    private static readonly TimeSpan s_yield = TimeSpan.FromSeconds(30);
    private static readonly OutputStream[] s_streams = [OutputStream.Output, OutputStream.Stdout, OutputStream.Stderr, OutputStream.Log];

    private readonly long[] _read = new long[s_streams.Length];
    private readonly Stopwatch _silence = new();
    private readonly Lock _lock = new();
    private TaskCompletionSource<(TaskMoves? Moves, OperationError? Refusal)> _recalled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private CancellationTokenSource? _poke;
    private AskedEnd? _stopAsked;
    private bool _recallAsked;
    private bool _goesOn = true;
    private bool _committing;
    private bool _committed;
    private bool _noted;
    private long _known = -1;
    private long _savedTimes;
    private TaskMoves? _moves;

    /// <summary>It comes home.</summary>
    /// <param name="goesOn">It goes on there; else it stands in its file, for whoever called.</param>
    public Task<(TaskMoves? Moves, OperationError? Refusal)> RecallAsync(bool goesOn)
    {
        lock (_lock)
        {
            if (_over.Task.IsCompleted)
            {
                return Task.FromResult<(TaskMoves?, OperationError?)>((null, NotThere));
            }

            if (_recalled.Task.IsCompleted)
            {
                _recalled = new(TaskCreationOptions.RunContinuationsAsynchronously); // an earlier wish was refused: this one gets its own answer
            }

            (_recallAsked, _goesOn) = (true, goesOn);
            _asked.Restart();
            _stands = 0;
            _poke?.Cancel();
            return _recalled.Task;
        }
    }

    private void AnswerRecall(TaskMoves? moves, OperationError? refusal)
    {
        lock (_lock)
        {
            _recalled.TrySetResult((moves, refusal));
        }
    }

    /// <summary>On the completion thread: says it, and leaves.</summary>
    private void AskToStop(AskedEnd end) => _ = Task.Run(() =>
    {
        lock (_lock)
        {
            _stopAsked = end;
            _poke?.Cancel();
        }
    });

    private async Task FollowAsync(CancellationToken stop)
    {
        _silence.Restart();
        while (true)
        {
            try
            {
                if (await AskAsync(stop).ConfigureAwait(false))
                {
                    return;
                }
            }
            catch (WayangException unknown) when (unknown is { Code: ErrorCode.NotFound, Field: "handover" })
            {
                await ComeBackAsync(null, $"node '{Node}' knows nothing of it any more: it was started anew, or heard nothing of this node for too long", lost: true).ConfigureAwait(false);
                return;
            }
#pragma warning disable CA1031 // A defect here, too, must not let a call be forgotten that is away.
            catch (Exception) when (!stop.IsCancellationRequested)
#pragma warning restore CA1031
            {
                if (await IsLostAsync(stop).ConfigureAwait(false))
                {
                    await ComeBackAsync(null, $"nothing was heard of node '{Node}' for too long", lost: true, hasBegun: _committing).ConfigureAwait(false);
                    return;
                }
            }
        }
    }

    /// <returns>The stay is over.</returns>
    private async Task<bool> AskAsync(CancellationToken stop)
    {
        var client = Client();
        VisitNews? news;
        if (!_committed)
        {
            _committing = true;
            news = await client.CommitVisitAsync(what.Name, stop).WaitAsync(lease, stop).ConfigureAwait(false);
            _committed = true;
            HandoverFaults.Reach(HandoverPoint.HomeCommitted);
        }
        else
        {
            await PassOnAsync(client, stop).ConfigureAwait(false);
            news = await WatchAsync(client, stop).ConfigureAwait(false);
        }

        _silence.Restart();
        if (news is null)
        {
            return false; // something is to be passed on
        }

        await ReadStreamsAsync(client, news, stop).ConfigureAwait(false);
        await ReadSavedAsync(client, news, stop).ConfigureAwait(false);
        _known = news.Number;
        switch (news.State)
        {
            case VisitState.Begun when !_noted:
                HandoverFaults.Reach(HandoverPoint.HomeAway);
                await NoteAsync(Node, Pause - news.GoesOnFor).ConfigureAwait(false);
                return false;
            case VisitState.Ended:
                await EndAsync(client, news, stop).ConfigureAwait(false);
                return true;
            case VisitState.Returned:
                HandoverFaults.Reach(HandoverPoint.HomeRecalled);
                await ReturnAsync(news, stop).ConfigureAwait(false);
                return true;
            default:
                return false;
        }
    }

    private async Task PassOnAsync(WayangClient client, CancellationToken stop)
    {
        AskedEnd? end;
        bool recall;
        lock (_lock)
        {
            (end, recall) = (_stopAsked, _recallAsked);
            (_stopAsked, _recallAsked) = (null, false);
        }

        try
        {
            if (end is not null)
            {
                await client.StopVisitAsync(what.Name, end.State, end.Cause, stop).WaitAsync(lease, stop).ConfigureAwait(false);
                end = null;
            }

            if (recall)
            {
                await RecallAsync(client, stop).ConfigureAwait(false);
            }
        }
        catch (WayangException refused) when (refused is { Code: ErrorCode.Conflict or ErrorCode.Unsupported })
        {
            // It runs on there: only who asked for it is told.
            await RefuseRecallAsync(refused).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is WayangException { Code: not ErrorCode.NotFound } or TimeoutException)
        {
            lock (_lock)
            {
                (_stopAsked, _recallAsked) = (_stopAsked ?? end, _recallAsked || recall); // once it is reached again
            }

            throw;
        }
    }

    /// <summary>A call that has just begun, or is about to end, cannot be written down, and one may be saving its state yet: again in a moment, as often as it says so.</summary>
    private async Task RefuseRecallAsync(WayangException refused)
    {
        if (refused.RetryAfter is not { } pause || _asked.Elapsed > (what.Call.BeginsAnew ? s_yield : lease))
        {
            AnswerRecall(null, new(refused.Code, $"node '{Node}' does not give it back now: {refused.Message}", "task", 100));
            return;
        }

        await Task.Delay(pause).ConfigureAwait(false);
        lock (_lock)
        {
            _recallAsked = true;
        }
    }

    /// <returns>Null: something came in between that the host is to be told.</returns>
    private async Task<VisitNews?> WatchAsync(WayangClient client, CancellationToken stop)
    {
        using var poke = CancellationTokenSource.CreateLinkedTokenSource(stop);
        lock (_lock)
        {
            if (_stopAsked is not null || _recallAsked)
            {
                return null;
            }

            _poke = poke;
        }

        try
        {
            return await client.WatchVisitAsync(what.Name, _known, s_watch, poke.Token).WaitAsync(s_watch + lease, stop).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            return null;
        }
        finally
        {
            lock (_lock)
            {
                _poke = null;
            }
        }
    }

    private async Task ReadStreamsAsync(WayangClient client, VisitNews news, CancellationToken stop)
    {
        for (var i = 1; i < s_streams.Length; i++)
        {
            while (_read[i] < news.Lengths[i])
            {
                var piece = await client.ReadVisitAsync(what.Name, (VisitPart)i, _read[i], stop).WaitAsync(lease, stop).ConfigureAwait(false);
                if (piece.Data.IsEmpty)
                {
                    break;
                }

                _read[i] += piece.Data.Length;
                await home.AppendAsync(what.Task, what.Name, s_streams[i], piece.Data, default).ConfigureAwait(false);
            }
        }

        if (!news.Progress.IsEmpty)
        {
            await home.AppendAsync(what.Task, what.Name, OutputStream.Log, default, news.Progress).ConfigureAwait(false);
        }
    }

    /// <summary>What it saves there is here soon: should that node be lost, its next attempt begins from it.</summary>
    private async Task ReadSavedAsync(WayangClient client, VisitNews news, CancellationToken stop)
    {
        if (news.SavedTimes <= _savedTimes)
        {
            return;
        }

        _savedTimes = news.SavedTimes;
        var (state, _) = await VisitOutput.ReadAsync(
            news.SavedBytes, home.MaxStateBytes, offset => client.ReadVisitAsync(what.Name, VisitPart.Saved, offset, stop).WaitAsync(lease, stop)).ConfigureAwait(false);
        if (state is not null)
        {
            await home.SaveAsync(what.Task, what.Name, state).ConfigureAwait(false); // else the one before stands, as where a call saves more than it may
        }
    }

    private async Task EndAsync(WayangClient client, VisitNews news, CancellationToken stop)
    {
        var (output, why) = await VisitOutput.ReadAsync(
            news.Lengths[0], home.MaxOutputBytes, offset => client.ReadVisitAsync(what.Name, VisitPart.Output, offset, stop).WaitAsync(lease, stop)).ConfigureAwait(false);
        if (output is null)
        {
            await ComeBackAsync(null, why, lost: false).ConfigureAwait(false);
            return;
        }

        HandoverFaults.Reach(HandoverPoint.HomeEnded);
        if (!_noted)
        {
            await NoteAsync(Node, Pause - news.GoesOnFor).ConfigureAwait(false); // it was over before anybody looked
        }

        await home.EndAsync(what.Task, what.Name, news.End!, output).ConfigureAwait(false);
        await ReleaseAsync().ConfigureAwait(false);
    }

    /// <param name="call">What came of it; null: nothing.</param>
    /// <param name="why">It did not go on there; null: it was called back.</param>
    /// <param name="lost">The host is.</param>
    /// <param name="hasBegun">It may have gone on there.</param>
    private async Task ComeBackAsync(IArrivingCall? call, string? why, bool lost, bool hasBegun = true)
    {
        var refusal = await home.ComeBackAsync(what.Task, what.Name, call, why, hasBegun).ConfigureAwait(false);
        _isAway = false;
        bool goesOn;
        lock (_lock)
        {
            goesOn = _goesOn;
        }

        if (why is not null)
        {
            report.OnReturned(what.Task, what.Tenant, Node, why, lost);
            _begun.TrySetResult((null, refusal ?? new(ErrorCode.Unavailable, $"it did not go on at node '{Node}', and does so at home: {why}", "to")));
        }

        if (refusal is null && goesOn)
        {
            await home.ResumeAsync(what.Task).ConfigureAwait(false);
        }

        if (refusal is null && (_noted || why is null))
        {
            await NoteAsync(null, why is null ? Pause : _silence.Elapsed).ConfigureAwait(false);
        }

        await ReleaseAsync().ConfigureAwait(false); // the call does not wait for that
        _over.TrySetResult();
        AnswerRecall(_moves, refusal ?? (_moves is null ? new(ErrorCode.Conflict, $"it did not go on at node '{Node}', and does so at home: {why}", "to") : null));
    }

    /// <summary>A move is done.</summary>
    /// <param name="node">Where the call goes on; null: at home.</param>
    /// <param name="pause">For how long it did nothing.</param>
    private async Task NoteAsync(string? node, TimeSpan pause)
    {
        var before = what.Call.Moves?.Times ?? 0;
        var moves = new TaskMoves(node, before + (node is null ? 2 : 1), _bytes, pause > TimeSpan.Zero ? pause : TimeSpan.Zero, DateTimeOffset.UtcNow, node is null ? MoveReason.Asked : what.Why);
        LetGo();
        await home.NoteAsync(what.Task, moves).ConfigureAwait(false);
        report.OnMoved(what.Task, what.Tenant, node ?? "home", moves);
        if (node is null)
        {
            _moves = moves;
        }
        else
        {
            _noted = true;
            _begun.TrySetResult((moves, null));
        }
    }

    /// <summary>The host is not reached: waits until it is, or until it has let the call go itself.</summary>
    /// <returns>It has, or it was never told to begin.</returns>
    private async Task<bool> IsLostAsync(CancellationToken stop)
    {
        if (!_committing)
        {
            return true;
        }

        // It hears of this node until a lease after its last answer at most, and keeps the call for a lease from then on; the rest is for clocks that differ.
        var left = (lease * 2.5) - _silence.Elapsed;
        if (left <= TimeSpan.Zero)
        {
            return true;
        }

        try
        {
            await link.WhenConnected.WaitAsync(left, stop).ConfigureAwait(false);
            await Task.Delay(s_pause, stop).ConfigureAwait(false); // it may be just being lost, or be busy
            return false;
        }
        catch (TimeoutException)
        {
            return true;
        }
    }
}
