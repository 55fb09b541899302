using System.Diagnostics;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Cluster.Migration;

/// <content>The way home, on a connection that is open before the host is told: it sends while it writes and the call still runs there. What came so is only ever a short cut.</content>
internal sealed partial class Departure
{
    /// <summary>So often a file that breaks off on its way is asked for again.</summary>
    private const int MostBroken = 4;

    private IArrivingCall? _fetching;
    private int _broken;
    private IAwaitingWorker? _awaiting;

    private async Task RecallAsync(WayangClient client, CancellationToken stop)
    {
        ForgetFetched();
        if (what.Call.BeginsAnew)
        {
            await client.RecallVisitAsync(what.Name, stop).WaitAsync(lease, stop).ConfigureAwait(false); // it saves its state first, which may take it seconds
            return;
        }

        _awaiting = home.Await(what.Task, what.Call.Shape);
        await (_awaiting?.WhenPreparedAsync() ?? Task.CompletedTask).ConfigureAwait(false);
        _fetching = await TryTakeAsync(stop).ConfigureAwait(false);
        try
        {
            await client.RecallVisitAsync(what.Name, stop).WaitAsync(lease, stop).ConfigureAwait(false);
        }
        catch
        {
            ForgetFetched();
            throw;
        }

        await (_fetching?.Whole ?? Task.CompletedTask).WaitAsync(lease, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <returns>Null: it is taken once it has returned, or that says why not.</returns>
    private async Task<IArrivingCall?> TryTakeAsync(CancellationToken stop)
    {
        try
        {
            return await TakeAsync(Timeout.InfiniteTimeSpan, stop).ConfigureAwait(false); // it begins when the host is told, whose answer is waited for
        }
        catch (Exception failure) when (IsOfLink(failure) || failure is IOException)
        {
            return null;
        }
    }

    private async Task<IArrivingCall> TakeAsync(TimeSpan patience, CancellationToken stop)
    {
        var way = await OpenAsync(CallDirection.ToHome, stop).ConfigureAwait(false);
        way.ReadTimeout = (int)patience.TotalMilliseconds;
        try
        {
            return home.Receive(what.Task, way, Interlocked.Exchange(ref _awaiting, null));
        }
        catch
        {
            await way.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private void ForgetFetched()
    {
        Interlocked.Exchange(ref _fetching, null)?.Dispose();
        Interlocked.Exchange(ref _awaiting, null)?.Dispose();
    }

    /// <summary>It comes back: with a file where it was called back, else it goes on from the one that it left from.</summary>
    private async Task ReturnAsync(VisitNews news, CancellationToken stop)
    {
        if (news.FileBytes is <= 0 or > HandoverFields.MaxFile)
        {
            ForgetFetched();
            var why = news.FileBytes == 0 ? "it was called back" : $"it was to come back with a file of {news.FileBytes} bytes, and at most {HandoverFields.MaxFile} are taken";
            await ComeBackAsync(null, news.Reason ?? why, lost: false, hasBegun: news.GoesOnFor > TimeSpan.Zero).ConfigureAwait(false);
            return;
        }

        _stands = news.Standing > TimeSpan.Zero ? Stopwatch.GetTimestamp() - (long)(news.Standing.TotalSeconds * Stopwatch.Frequency) : 0;
        try
        {
            using var came = await TakenAsync(news, stop).ConfigureAwait(false);
            HandoverFaults.Reach(HandoverPoint.HomeFetched);
            _bytes = news.FileBytes;
            await ComeBackAsync(came, null, lost: false).ConfigureAwait(false);
        }
        catch (EndOfStreamException broken) when (++_broken < MostBroken)
        {
            throw new WayangException(ErrorCode.NodeLost, broken.Message, broken); // its word is asked for again, and with it this
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            await ComeBackAsync(null, $"the file that it was to come back with cannot be used: {failure.Message}", lost: false).ConfigureAwait(false);
        }
    }

    /// <summary>What came while it was written there, where that is all of it; else it is sent again.</summary>
    private async Task<IArrivingCall> TakenAsync(VisitNews news, CancellationToken stop)
    {
        var came = Interlocked.Exchange(ref _fetching, null);
        if (came?.Whole.IsCompletedSuccessfully == true && came.Whole.Result == news.FileBytes)
        {
            return came;
        }

        came?.Dispose(); // of another writing, or not all
        came = await TakeAsync(lease, stop).ConfigureAwait(false);
        try
        {
            await came.Whole.WaitAsync(stop).ConfigureAwait(false);
            return came;
        }
        catch
        {
            came.Dispose();
            throw;
        }
    }
}
