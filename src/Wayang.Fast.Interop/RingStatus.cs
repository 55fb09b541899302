namespace Wayang.Fast.Interop;

/// <summary>What a ring operation came to; contention, full and empty are no exceptions.</summary>
public enum RingStatus
{
    Ok = 0,

    /// <summary>Nothing to read now.</summary>
    Empty = 1,

    /// <summary>No slot, no arena space, or a payload in chunks is under way: try again after the worker advanced.</summary>
    Full = 2,

    /// <summary>Over the bound of one slot (use chunks) or over the channel's largest payload.</summary>
    TooLarge = 3,

    /// <summary>The worker wrote what no correct worker writes; sticky. The worker must be ended.</summary>
    Corrupt = 4,
}
