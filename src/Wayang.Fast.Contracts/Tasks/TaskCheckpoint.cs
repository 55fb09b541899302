namespace Wayang.Fast.Contracts.Tasks;

/// <summary>A running call that was written down; its task waits, paused, and goes on from there.</summary>
/// <param name="File">On the node, encrypted with the node's key.</param>
/// <param name="Bytes">Of the file.</param>
/// <param name="At">When it was taken.</param>
/// <param name="Failure">Why it could not be continued when that was last tried; null: it was not tried, or goes on.</param>
public sealed record TaskCheckpoint(string File, long Bytes, DateTimeOffset At, string? Failure = null)
{
    /// <summary>When its worker was stopped, by the monotonic clock of the daemon that wrote it; 0: it is of an earlier start, or came from another node.</summary>
    public long StandsSince { get; init; }
}
