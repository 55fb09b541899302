namespace Wayang.Fast.Ledger;

/// <summary>Where the ledger stands and what it keeps. Immutable; ranges are checked where the configuration is read.</summary>
/// <param name="Path">The database's file.</param>
public sealed record LedgerOptions(string Path)
{
    /// <summary>An ended task is forgotten after this time.</summary>
    public TimeSpan Retention { get; init; } = TimeSpan.FromDays(7);

    /// <summary>Ended tasks at most; the oldest are forgotten first.</summary>
    public int MaxEnded { get; init; } = 100_000;

    /// <summary>An event is forgotten after this time.</summary>
    public TimeSpan EventRetention { get; init; } = TimeSpan.FromDays(7);

    /// <summary>Events at most; the oldest are forgotten first.</summary>
    public int MaxEvents { get; init; } = 1_000_000;

    /// <summary>Writes that wait for their commit at most; more submissions are refused.</summary>
    public int MaxWaiting { get; init; } = 100_000;

    /// <summary>Told when the ledger stops storing, and when it goes on.</summary>
    public Action<string>? OnChange { get; init; }

    /// <summary>For tests: called at each step of a commit, on the ledger's thread.</summary>
    internal Action<CommitStep>? OnStep { get; init; }

    /// <summary>How often what failed is tried again, and old tasks are looked for.</summary>
    internal TimeSpan Pulse { get; init; } = TimeSpan.FromSeconds(1);
}

/// <summary>The steps of a commit: where tests let the process or the disk fail.</summary>
internal enum CommitStep
{
    Taken = 0,
    Begun,
    Written,
    Committed,
    Told,
}
