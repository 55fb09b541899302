namespace Wayang.Fast.Execution.Dispatch;

/// <summary>Where a test can let something go wrong that must not.</summary>
internal enum FaultPoint : byte
{
    /// <summary>Nobody goes through the shard after a submission, a completion or an event: <see cref="Shard.Pump"/> does nothing.</summary>
    PumpLost = 0,

    /// <summary>An owner hands the shard over after its first round, and the completion thread is not woken for it.</summary>
    HandOverLost,

    /// <summary>The supervisor stands still in its next turn, until this is disarmed.</summary>
    SupervisorStuck,

    /// <summary>The host says that its tasks wait for memory.</summary>
    MemoryPressed,

    /// <summary>A capture's stream is not read, until this is disarmed.</summary>
    CaptureUnread,

    /// <summary>A capture's file is whole, and nobody is told, until this is disarmed.</summary>
    CaptureUntold,

    /// <summary>A checkpoint is not read for its continuation, until this is disarmed.</summary>
    CheckpointUnread,

    /// <summary>The agent that makes a worker of a checkpoint is given nothing to read, until this is disarmed.</summary>
    CheckpointUnfed,
}

/// <summary>
/// The faults of one runtime. They exist only where the program's own configuration switches them on (tests do): elsewhere
/// <see cref="Hit"/> is a constant, and the compiled code has no trace of it.
/// </summary>
internal sealed class Faults
{
    private static readonly bool s_enabled = AppContext.TryGetSwitch("Wayang.Fast.FaultPoints", out var on) && on;

    private int _armed;

    public static bool AreEnabled => s_enabled;

    public bool Hit(FaultPoint point) => s_enabled && (Volatile.Read(ref _armed) & (1 << (int)point)) != 0;

    public void Arm(FaultPoint point) => Interlocked.Or(ref _armed, 1 << (int)point);

    public void Disarm(FaultPoint point) => Interlocked.And(ref _armed, ~(1 << (int)point));
}
