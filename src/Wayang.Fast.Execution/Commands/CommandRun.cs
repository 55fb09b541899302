using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Execution.Spawner;
using Wayang.Fast.Execution.Workers;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Commands;

/// <summary>Which of a command's pipes.</summary>
internal enum CommandStream : byte
{
    Stdin = 0,
    Stdout = 1,
    Stderr = 2,

    /// <summary>What the command left in out/; only where it was asked for files.</summary>
    Artifacts = 3,
}

/// <summary>Why a command's processes stand still: they go on when no reason is left.</summary>
[Flags]
internal enum FreezeHolds : byte
{
    None = 0,

    /// <summary>Somebody asked for it (task.pause).</summary>
    Paused = 1,

    /// <summary>Its slot was lent to a task of a higher class.</summary>
    Preempted = 2,
}

/// <summary>
/// A command in flight: its pipes, what was read, how it ended. It is over when its process was reaped and its output
/// pipes reached end of file, which they must: the end of its init ends every process that could hold them. Supervisor only.
/// </summary>
internal sealed class CommandRun(ulong id, TaskRecord record, WorkerPool pool)
{
    private readonly int[] _pipes = [-1, -1, -1, -1];
    private readonly long[] _dues = new long[4];
    private LookAllowance _prompt;

    public ulong Id { get; } = id;

    public TaskRecord Record { get; } = record;

    public TaskId TaskId { get; } = record.Id;

    public WorkerPool Pool { get; } = pool;

    public byte TakenLevel { get; } = record.TakenLevel;

    /// <summary>Timestamp at which it got its slot.</summary>
    public long Started { get; } = record.Started;

    public int ProcessId { get; set; }

    /// <summary>Memory that it used when it was looked at last.</summary>
    public long MemoryBytes { get; set; }

    /// <summary>Timestamp at which it is stopped.</summary>
    public required long Deadline { get; set; }

    /// <summary>Timestamp at which it is killed after it was asked to stop, or at which open pipes are given up.</summary>
    public long KillAt { get; set; } = long.MaxValue;

    /// <summary>What we asked for; wins over how the process happened to end.</summary>
    public (TaskState State, TaskCause Cause)? PendingEnd { get; set; }

    /// <summary>Who wants it to stand still.</summary>
    public FreezeHolds Holds { get; set; }

    /// <summary>What was left of its time when its processes were frozen.</summary>
    public long TimeLeft { get; set; }

    public WorkerExit? Exit { get; set; }

    /// <summary>It was asked to save its state and to end.</summary>
    public bool Wanted { get; set; }

    /// <summary>Bytes of standard input already written.</summary>
    public int StdinWritten { get; set; }

    /// <summary>Looks at its streams that come at once.</summary>
    public ref LookAllowance Prompt => ref _prompt;

    /// <summary>Null: no artifacts are wanted.</summary>
    public ArtifactReceiver? Artifacts { get; init; }

    public int this[CommandStream stream]
    {
        get => _pipes[(int)stream];
        set => _pipes[(int)stream] = value;
    }

    public bool IsOver => Exit is not null && this[CommandStream.Stdout] < 0 && this[CommandStream.Stderr] < 0 && this[CommandStream.Artifacts] < 0;

    public static ulong Token(ulong id, CommandStream stream) => (id << 2) | (ulong)stream;

    /// <summary>When a stream is looked at next; 0: it is watched.</summary>
    public long DueOf(CommandStream stream) => _dues[(int)stream];

    /// <summary>A stream that is not watched is looked at later.</summary>
    public void Defer(CommandStream stream, long due) => _dues[(int)stream] = due;

    /// <summary>Whatever comes is told no more.</summary>
    public void Unwatch(CommandStream stream, Poller poller) => poller.Remove(this[stream]);

    /// <summary>What is there, and what comes, is told from now on. False: the poller takes no more, and nothing changed.</summary>
    public bool TryWatch(CommandStream stream, Poller poller)
    {
        try
        {
            poller.Add(this[stream], Token(Id, stream), edgeTriggered: false);
        }
        catch (NativeException)
        {
            return false;
        }

        _dues[(int)stream] = 0;
        return true;
    }

    /// <summary>Closes what was opened of a command that was never started; closing takes it out of the poller as well.</summary>
    public void Abandon()
    {
        foreach (ref var pipe in _pipes.AsSpan())
        {
            Descriptors.Close(pipe);
            pipe = -1;
        }
    }

    /// <summary>Closes all that we read from.</summary>
    public void CloseOutputs(Poller poller)
    {
        Close(CommandStream.Stdout, poller);
        Close(CommandStream.Stderr, poller);
        Close(CommandStream.Artifacts, poller);
    }

    /// <summary>Closes one of our ends and forgets it.</summary>
    public void Close(CommandStream stream, Poller poller)
    {
        var descriptor = this[stream];
        if (descriptor >= 0)
        {
            if (DueOf(stream) == 0)
            {
                poller.Remove(descriptor);
            }

            Descriptors.Close(descriptor);
            this[stream] = -1;
        }
    }
}
