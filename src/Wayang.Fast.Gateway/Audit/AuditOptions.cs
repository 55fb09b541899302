namespace Wayang.Fast.Gateway.Audit;

/// <summary>Where the audit log is, and its bounds.</summary>
/// <param name="Directory">Belongs to the daemon's user.</param>
public sealed record AuditOptions(string Directory)
{
    /// <summary>A file that would grow over this is followed by the next.</summary>
    public long FileBytes { get; init; } = 16 << 20;

    /// <summary>Files that are kept; the oldest goes first.</summary>
    public int Files { get; init; } = 8;

    /// <summary>Records that wait for the disk; more are lost, counted and told.</summary>
    public int QueuedRecords { get; init; } = 8_192;

    /// <summary>Refused attempts of one caller that are written in a second; more are counted.</summary>
    public int RefusalsPerSecond { get; init; } = 20;

    /// <summary>How long a file that could not be written is left alone.</summary>
    public TimeSpan RetryAfter { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long a stop waits for the last records.</summary>
    public TimeSpan Farewell { get; init; } = TimeSpan.FromSeconds(5);
}
