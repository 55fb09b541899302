namespace Wayang.Fast.Core.Ports;

/// <summary>Which calls a node moves to peers by itself.</summary>
public enum AutomaticMigration
{
    /// <summary>None.</summary>
    Never = 0,

    /// <summary>Those that stand frozen for tasks of a higher class.</summary>
    Preempted,

    /// <summary>These, and those that run while others wait for the node's slots.</summary>
    Balance,
}
