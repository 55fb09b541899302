namespace Wayang.Fast.Core.Diagnostics;

/// <summary>How much a finding of a security scan matters.</summary>
public enum FindingSeverity : byte
{
    /// <summary>Worth a look; nothing was done.</summary>
    Warning = 1,

    /// <summary>Not what it has to be. A worker of this kind was killed, its task ended with <c>sandbox_violation</c>.</summary>
    Critical = 2,
}

/// <param name="Severity">How much it matters.</param>
/// <param name="Where">The worker or the file.</param>
/// <param name="What">What was seen.</param>
/// <param name="Remedy">What to do about it.</param>
public sealed record ScanFinding(FindingSeverity Severity, string Where, string What, string Remedy);

/// <summary>What a scan saw.</summary>
/// <param name="Workers">Workers that were compared with their profile.</param>
/// <param name="Processes">Processes of theirs.</param>
/// <param name="Untold">Findings beyond the bound of one scan.</param>
/// <param name="Findings">In the order in which they were found.</param>
public sealed record ScanReport(int Workers, int Processes, int Untold, IReadOnlyList<ScanFinding> Findings);
