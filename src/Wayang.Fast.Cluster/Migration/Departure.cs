using System.Diagnostics;
using Wayang.Fast.Client;
using Wayang.Fast.Cluster.Membership;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Cluster.Migration;

/// <summary>
/// One hand-over of a call, from the wish to its end, by the side of its home. Up to the fence whatever fails leaves the call here; behind it the host's word decides, or its silence. Each step is
/// named in <see cref="HandoverPoint"/>.
/// </summary>
internal sealed partial class Departure(IHandoverHome home, PeerLink link, string boot, TimeSpan lease, HandoverReport report, Departing what)
{
    /// <summary>So long who sends a call waits for a host that takes nothing of it: it may stand still meanwhile.</summary>
    private static readonly TimeSpan s_stall = TimeSpan.FromSeconds(2);

    private readonly TaskCompletionSource<(TaskMoves? Moves, OperationError? Refusal)> _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Stopwatch _asked = new();
    private volatile bool _isAway;
    private IDepartingFile? _left;
    private long _bytes;
    private long _stands;

    private static OperationError NotThere => new(ErrorCode.Conflict, "it is not at that node any more", "task", 100);

    /// <summary>For how long it does nothing: since its worker was stopped, where that is known, as it runs while most of it is written down; else since it was asked for.</summary>
    private TimeSpan Pause => _stands > 0 ? Stopwatch.GetElapsedTime(_stands) : _asked.Elapsed;

    public string Node => link.Spec.Name;

    public bool IsAway => _isAway;

    /// <summary>Completes when nothing more comes of it.</summary>
    public Task Over => _over.Task;

    /// <returns>When the call goes on at the host, or why it does not.</returns>
    public Task<(TaskMoves? Moves, OperationError? Refusal)> RunAsync(CancellationToken stop)
    {
        _ = Task.Run(() => PerformAsync(stop), CancellationToken.None);
        return _begun.Task;
    }

    private async Task PerformAsync(CancellationToken stop)
    {
        try
        {
            if (await TryLeaveAsync(stop).ConfigureAwait(false) is { } why)
            {
                LetGo();
                report.OnRefused(what.Task, what.Tenant, Node, why.Message);
                _begun.TrySetResult((null, why));
                await ReleaseAsync().ConfigureAwait(false);
                return;
            }

            _isAway = true;
            HandoverFaults.Reach(HandoverPoint.HomeFenced);
            await FollowAsync(stop).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            await ReleaseAsync().ConfigureAwait(false); // this node ends, and what is not durable with it
        }
        finally
        {
            LetGo();
            ForgetFetched(); // the host was lost, or the call had ended, after it was fetched
            _isAway = false;
            _begun.TrySetResult((null, new(ErrorCode.Unavailable, "the node is stopping", null)));
            _over.TrySetResult();
            AnswerRecall(null, NotThere);
        }
    }

    /// <returns>Null: the fence stands. Else why it does not, and the call goes on here.</returns>
    private async Task<OperationError?> TryLeaveAsync(CancellationToken stop)
    {
        Stream way;
        try
        {
            await OfferAsync(stop).ConfigureAwait(false);
            if (what.Call.BeginsAnew)
            {
                return await TryLeaveAnewAsync(stop).ConfigureAwait(false);
            }

            way = await OpenAsync(CallDirection.ToHost, stop).ConfigureAwait(false);
        }
        catch (Exception failure) when (IsOfLink(failure))
        {
            return Refusal(failure);
        }

        HandoverFaults.Reach(HandoverPoint.HomeOffered);
        _asked.Start();
        var file = _left = home.WriteDown(what.Task, way);
        var (whole, unwritten) = await file.Whole.ConfigureAwait(false); // it is under way while this node closes its file
        if (whole is null)
        {
            return unwritten;
        }

        HandoverFaults.Reach(HandoverPoint.HomeWritten);
        (_bytes, _stands) = (whole.Bytes, what.Call.Stands ? 0 : whole.StandsSince);
        var refusal = await CloseAsync(file, stop).ConfigureAwait(false);
        if (refusal is not null && !what.Call.Stands)
        {
            LetGo(); // it is made anew of its file
            await home.ResumeAsync(what.Task).ConfigureAwait(false);
        }

        return refusal;
    }

    /// <summary>A call that begins anew stops first, which may take it longer than a host keeps what it was offered. Then there is little to send.</summary>
    private async Task<OperationError?> TryLeaveAnewAsync(CancellationToken stop)
    {
        if (!what.Call.Stands && await home.StopAsync(what.Task).ConfigureAwait(false) is { } goesOn)
        {
            return goesOn;
        }

        _asked.Start();
        OperationError? refusal;
        try
        {
            await OfferAsync(stop).ConfigureAwait(false);
            HandoverFaults.Reach(HandoverPoint.HomeOffered);
            refusal = await SendBeginningAsync(await OpenAsync(CallDirection.ToHost, stop).ConfigureAwait(false), stop).ConfigureAwait(false);
        }
        catch (Exception failure) when (IsOfLink(failure))
        {
            refusal = Refusal(failure);
        }

        if (refusal is not null && !what.Call.Stands)
        {
            await home.ResumeAsync(what.Task).ConfigureAwait(false);
        }

        return refusal;
    }

    private async Task<OperationError?> SendBeginningAsync(Stream way, CancellationToken stop)
    {
        var beginning = _left = home.WriteDown(what.Task, way);
        var (whole, resumed) = await beginning.Whole.ConfigureAwait(false);
        if (whole is null)
        {
            return resumed;
        }

        HandoverFaults.Reach(HandoverPoint.HomeWritten);
        _bytes = whole.Bytes;
        return await CloseAsync(beginning, stop).ConfigureAwait(false);
    }

    private Task OfferAsync(CancellationToken stop) =>
        Client().OfferAsync(what.Name, boot, what.Task, what.Call.Tenant, what.Call.Spec, what.Call.Shape, stop).WaitAsync(lease, stop);

    /// <summary>Once the host has all of it: the fence.</summary>
    private async Task<OperationError?> CloseAsync(IDepartingFile file, CancellationToken stop)
    {
        try
        {
            if (await file.Kept.WaitAsync(lease, stop).ConfigureAwait(false) is { } refused)
            {
                return Refusal(new WayangException(refused));
            }

            HandoverFaults.Reach(HandoverPoint.HomePrepared);
            return await home.LeaveAsync(what.Task, new TaskStay(Node, what.Name, AskToStop)).ConfigureAwait(false);
        }
        catch (Exception failure) when (IsOfLink(failure))
        {
            return Refusal(failure);
        }
    }

    /// <summary>A connection for the call.</summary>
    private async Task<Stream> OpenAsync(CallDirection direction, CancellationToken stop)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(stop);
        patience.CancelAfter(lease);
        try
        {
            return await link.OpenForCallAsync(direction, what.Name, lease < s_stall ? lease : s_stall, patience.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            throw new TimeoutException();
        }
    }

    /// <summary>The worker that it left is needed no more.</summary>
    private void LetGo() => Interlocked.Exchange(ref _left, null)?.Dispose();

    /// <summary>The peer refuses, is not reached, or its connection is being given up.</summary>
    private static bool IsOfLink(Exception failure) => failure is WayangException or TimeoutException or ObjectDisposedException;

    private WayangClient Client() => link.Client ?? throw new WayangException(
        ErrorCode.Unavailable, $"it is {WireNames.Text(link.Info.State)}: {link.Info.Reason}");

    private OperationError Refusal(Exception failure) => failure switch
    {
        WayangException { Code: ErrorCode.NodeLost } => new(ErrorCode.Unavailable, $"node '{Node}' was lost before it had all of it", "to", 1000),
        WayangException told => new(told.Code, $"node '{Node}' does not take it: {told.Message}", told.Field is null ? "to" : told.Field, told.Code is ErrorCode.Unavailable or ErrorCode.ResourceExhausted ? 1000 : null),
        TimeoutException => new(ErrorCode.Unavailable, $"node '{Node}' did not answer in time", "to", 1000),
        ObjectDisposedException => new(ErrorCode.Unavailable, $"node '{Node}' is just being lost", "to", 1000),
        _ => new(ErrorCode.Unavailable, $"it cannot be sent to node '{Node}': {failure.Message}", "task", 1000),
    };

    /// <summary>The host needs nothing of it any more. One that cannot be told finds out by itself: nobody asks for it.</summary>
    private async Task ReleaseAsync()
    {
        try
        {
            if (link.Client is { } client)
            {
                await client.ReleaseVisitAsync(what.Name, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(1)).ConfigureAwait(false);
            }
        }
        catch (Exception failure) when (IsOfLink(failure))
        {
            // Its lease there ends.
        }
    }
}
