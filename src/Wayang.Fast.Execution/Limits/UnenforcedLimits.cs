namespace Wayang.Fast.Execution.Limits;

/// <summary>What becomes of a task that asks for a limit which this host cannot enforce.</summary>
public enum UnenforcedLimits
{
    /// <summary>It is refused, with the reason.</summary>
    Refuse = 0,

    /// <summary>It runs; what is known of it says which of its limits are not enforced.</summary>
    Tell = 1,
}
