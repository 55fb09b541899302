using System.Runtime.InteropServices;

namespace Wayang.Fast.Execution.Workers;

/// <summary>
/// One call in flight in a worker: the daemon's private truth, against which everything that the worker says is checked.
/// Written by the dispatch owner before the request is published, cleared by the completion thread when the call ended.
/// </summary>
[StructLayout(LayoutKind.Auto)]
internal struct InFlightEntry
{
    /// <summary>Slot of the task's record.</summary>
    public int Record;

    /// <summary>The level that it was dispatched at.</summary>
    public byte Level;

    /// <summary>How often the index was taken, in 24 bits, for its tickets.</summary>
    public uint Generation;

    /// <summary>The level that it was taken from the scheduler at. Dispatch owner only, like <see cref="Since"/>.</summary>
    public byte TakenLevel;

    /// <summary>Timestamp since when the index is taken; 0 before its first call. It stays until the next one, for who counts slot time.</summary>
    public long Since;

    /// <summary>Dispatch order in this worker: the lowest one still in flight is the one that runs.</summary>
    public long Order;

    /// <summary>Bytes that the first chunk of the output announced; -1 before it.</summary>
    public long OutputTotal;

    /// <summary>Kind of the payload being assembled (output or error), 0 before the first chunk.</summary>
    public byte OutputKind;

    /// <summary>
    /// Timestamp at which the call is stopped; <see cref="long.MaxValue"/>: never. SYNC POINT: lowered by a cancel (completion
    /// thread), read by the supervisor's scan; Volatile on both sides.
    /// </summary>
    public long Deadline;

    /// <summary>
    /// The ticket on the wire, 0 when the entry is free. SYNC POINT: release-stored by the dispatch owner after the fields
    /// above, acquire-loaded by the completion thread before it reads them.
    /// </summary>
    public uint Ticket;
}
