namespace Wayang.Fast.Contracts.Tasks;

/// <summary>Why a call was moved.</summary>
public enum MoveReason : byte
{
    /// <summary>Somebody asked for it.</summary>
    Asked = 0,

    /// <summary>Its node is being drained.</summary>
    Drain,

    /// <summary>It stood frozen for a task of a higher class, and a peer had room.</summary>
    Preempted,

    /// <summary>Others waited for slots of its node, and a peer had free ones.</summary>
    Balance,
}
