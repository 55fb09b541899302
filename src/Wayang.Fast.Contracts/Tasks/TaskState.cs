namespace Wayang.Fast.Contracts.Tasks;

/// <summary>Where a task stands. Everything from <see cref="Succeeded"/> on is an end: it never changes again.</summary>
public enum TaskState : byte
{
    None = 0,
    Queued = 1,
    Starting = 2,
    Running = 3,
    Frozen = 4,
    Migrating = 5,
    Succeeded = 6,
    Failed = 7,
    Cancelled = 8,
    TimedOut = 9,
    Rejected = 10,
}

/// <summary>What a task runs: see the glossary in src/README.md.</summary>
public enum TaskKind : byte
{
    None = 0,

    /// <summary>A function of an image.</summary>
    Call = 1,

    /// <summary>A command line.</summary>
    Exec = 2,
}

/// <summary>Whether a warm worker of the same tenant may serve the task.</summary>
public enum WorkerReuse : byte
{
    Tenant = 0,
    Never = 1,
}

/// <summary>Why a task ended. Wire names are the snake_case of these (see <c>WireNames</c>).</summary>
public enum CauseType : byte
{
    None = 0,

    /// <summary>The function returned, or the command exited: <see cref="TaskCause.Value"/> is the exit code.</summary>
    Exit = 1,

    /// <summary>Killed by the signal <see cref="TaskCause.Value"/>.</summary>
    Signal = 2,

    /// <summary>The function reported a typed error: <see cref="TaskCause.Detail"/> is "code: message".</summary>
    Exception = 3,
    OutOfMemory = 4,
    Timeout = 5,
    Cancelled = 6,

    /// <summary>Forbidden by its sandbox: <see cref="TaskCause.Detail"/> says what (a syscall, a corrupt channel).</summary>
    SandboxViolation = 7,
    DiskQuota = 8,

    /// <summary>Its worker, zygote or the spawner vanished while it may have been running.</summary>
    WorkerLost = 9,
    NodeLost = 10,
    DeadlinePassed = 11,
    QuotaExceeded = 12,
    Shutdown = 13,
}

/// <summary>The typed cause of an end.</summary>
/// <param name="Type">The kind of cause.</param>
/// <param name="Value">Exit code, signal number or system call number; else 0.</param>
/// <param name="Detail">One sentence for a person, or null.</param>
/// <param name="Traceback">Of an exception, where the function's language has one; many lines.</param>
public readonly record struct TaskCause(CauseType Type, int Value = 0, string? Detail = null, string? Traceback = null);

/// <summary>How far a task said it is.</summary>
/// <param name="Percent">0 to 100; null: not told.</param>
/// <param name="Text">A few words, or empty.</param>
public sealed record TaskProgress(int? Percent, string Text);

/// <summary>A range of priorities. Levels: system 56-63, urgent 40-55, normal 24-39, batch 8-23, idle 0-7.</summary>
public enum TaskClass : byte
{
    Idle = 0,
    Batch = 1,
    Normal = 2,
    Urgent = 3,
    System = 4,
}
