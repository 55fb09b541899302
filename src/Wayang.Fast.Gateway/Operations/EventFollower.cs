using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Core.Events;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>
/// Follows the stream for one reader: page after page, the next when the last was taken, so nothing is gathered for one that is slow. Where it has come too late, the
/// page says so.
/// </summary>
internal sealed class EventFollower(EventStream stream, EventRequest request)
{
    /// <summary>How long a look waits before the caller's right to it is looked at again.</summary>
    private static readonly TimeSpan s_wait = TimeSpan.FromSeconds(5);

    private readonly EventRequest _request = request with { Limit = EventStream.MostAtOnce };

    /// <summary>All up to it was told.</summary>
    public long Since { get; private set; } = request.Since ?? stream.Last;

    /// <summary>Goes on where an earlier reader was.</summary>
    public void Resume(long since) => Since = since;

    /// <summary>What comes next; nothing after a while in which nothing came.</summary>
    public async Task<(IReadOnlyList<NodeEvent> Events, OperationError? Refusal)> NextAsync(CancellationToken cancellation)
    {
        await stream.WaitAsync(Since, s_wait, cancellation).ConfigureAwait(false);
        var (page, refusal) = _request.Look(stream, Since);
        if (page is null)
        {
            return ([], refusal);
        }

        Since = page.Next;
        return (page.Events, null);
    }
}
