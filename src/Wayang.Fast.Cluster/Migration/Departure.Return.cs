using System.Diagnostics;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Cluster.Migration;

/// <content>The way home. The file is fetched while the host still writes it and the call runs there; what was fetched so is only ever a short cut.</content>
internal sealed partial class Departure
{
    private Task<IArrivingFile?>? _fetching;
    private IAwaitingWorker? _awaiting;
    private ReadOnlyMemory<byte> _fetchedKey;

    private async Task RecallAsync(WayangClient client, CancellationToken stop)
    {
        using var refused = CancellationTokenSource.CreateLinkedTokenSource(stop);
        await ForgetFetchedAsync().ConfigureAwait(false);
        _awaiting = home.Await(what.Task, what.Call.Shape);
        await (_awaiting?.WhenPreparedAsync() ?? Task.CompletedTask).ConfigureAwait(false);
        _fetching = TryFetchAsync(client, refused.Token);
        try
        {
            await client.RecallVisitAsync(what.Name, stop).WaitAsync(lease, stop).ConfigureAwait(false);
        }
        catch
        {
            await refused.CancelAsync().ConfigureAwait(false);
            await ForgetFetchedAsync().ConfigureAwait(false);
            throw;
        }

        await _fetching.ConfigureAwait(false); // it is bounded by what was written, and ends with it
    }

    private async Task<IArrivingFile?> TryFetchAsync(WayangClient client, CancellationToken stop)
    {
        try
        {
            return await FetchAsync(client, stop).ConfigureAwait(false);
        }
        catch (Exception failure) when (IsOfLink(failure) || failure is IOException or UnauthorizedAccessException or InvalidDataException or OperationCanceledException)
        {
            return null; // it is fetched once it has returned, or that says why not
        }
    }

    /// <returns>All that there was; null: nothing.</returns>
    private async Task<IArrivingFile?> FetchAsync(WayangClient client, CancellationToken stop)
    {
        IArrivingFile? file = null;
        try
        {
            for (var next = ReadFileAsync(client, 0, stop); ;)
            {
                using var piece = await next.ConfigureAwait(false);
                if (piece.Data.IsEmpty && !piece.Grows)
                {
                    return file;
                }

                next = ReadFileAsync(client, (file?.Received ?? 0) + piece.Data.Length, stop); // it is on its way while this one is written
                if (!piece.Data.IsEmpty)
                {
                    if (file is null)
                    {
                        file = home.Receive(what.Task, piece.Key.Span, Interlocked.Exchange(ref _awaiting, null));
                        _fetchedKey = piece.Key;
                    }

                    await file.AppendAsync(piece.Data.Span).ConfigureAwait(false);
                }

                if (file?.Received > HandoverFields.MaxFile)
                {
                    throw new InvalidDataException("it grows without end");
                }
            }
        }
        catch
        {
            file?.Dispose();
            throw;
        }
    }

    private Task<VisitPiece> ReadFileAsync(WayangClient client, long offset, CancellationToken stop) => client.ReadVisitAsync(what.Name, VisitPart.File, offset, stop).WaitAsync(lease, stop);

    private async Task ForgetFetchedAsync()
    {
        if (_fetching is { } fetching)
        {
            _fetching = null;
            (await fetching.ConfigureAwait(false))?.Dispose();
        }

        Interlocked.Exchange(ref _awaiting, null)?.Dispose();
    }

    /// <summary>It comes back: with a file where it was called back, else it goes on from the one that it left from.</summary>
    private async Task ReturnAsync(WayangClient client, VisitNews news, CancellationToken stop)
    {
        if (news.FileBytes is <= 0 or > HandoverFields.MaxFile)
        {
            await ForgetFetchedAsync().ConfigureAwait(false);
            var why = news.FileBytes == 0 ? "it was called back" : $"it was to come back with a file of {news.FileBytes} bytes, and at most {HandoverFields.MaxFile} are taken";
            await ComeBackAsync(null, news.Reason ?? why, lost: false).ConfigureAwait(false);
            return;
        }

        _stands = news.Standing > TimeSpan.Zero ? Stopwatch.GetTimestamp() - (long)(news.Standing.TotalSeconds * Stopwatch.Frequency) : 0;
        var fetched = _fetching is null ? null : await _fetching.ConfigureAwait(false);
        _fetching = null;
        try
        {
            if (fetched?.Received != news.FileBytes || !_fetchedKey.Span.SequenceEqual(news.Key.Span))
            {
                fetched?.Dispose(); // of another writing, or not all
                fetched = await FetchAsync(client, stop).ConfigureAwait(false) ?? throw new InvalidDataException($"node '{Node}' has nothing of it");
            }

            using var file = fetched;
            if (file.Received != news.FileBytes)
            {
                throw new InvalidDataException($"node '{Node}' has {file.Received} of {news.FileBytes} bytes of its file");
            }

            HandoverFaults.Reach(HandoverPoint.HomeFetched);
            _bytes = news.FileBytes;
            await ComeBackAsync(file.Keep(), null, lost: false).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            await ComeBackAsync(null, $"the file that it was to come back with cannot be used: {failure.Message}", lost: false).ConfigureAwait(false);
        }
    }
}
