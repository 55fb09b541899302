namespace Wayang.Fast.Host.Doctor;

/// <summary>How a check came out.</summary>
internal enum Level
{
    /// <summary>There.</summary>
    Ok,

    /// <summary>Lacking; tasks run without it, at a cost.</summary>
    Degraded,

    /// <summary>Required, and lacking: no sandboxed task can be run.</summary>
    Missing,

    /// <summary>It could not be found out.</summary>
    Unknown,
}

/// <summary>What one check found.</summary>
/// <param name="Group">One of <see cref="CheckRules.Groups"/>.</param>
/// <param name="Name">Stable, for programs; unique in its group.</param>
/// <param name="Required">Without it no sandboxed task can be run.</param>
/// <param name="Value">A version, a number, or why not.</param>
/// <param name="Cost">What the lack costs; empty when nothing lacks.</param>
/// <param name="Remedy">The command that gives it, or what to do; empty when nothing lacks.</param>
internal sealed record Finding(string Group, string Name, Level Level, bool Required, string Value, string Cost = "", string Remedy = "")
{
    /// <summary>Required, and not shown to be there.</summary>
    public bool IsFault => Required && Level is (Level.Missing or Level.Unknown);
}
