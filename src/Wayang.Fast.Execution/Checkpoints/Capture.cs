using System.Diagnostics;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Execution.Handover;
using Wayang.Fast.Execution.Life;
using Wayang.Fast.Execution.Spawner;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Checkpoints;

/// <summary>
/// A running call that is being written down. In turn: the dispatch owner takes its worker out of its pool, the supervisor has it frozen, a thread of its own writes the
/// file, the completion thread decides. Until the last step the worker is whole, and goes on if anything fails.
/// </summary>
internal sealed class Capture(LifeRequest request, CallWorker worker, uint ticket, int slot, bool durable)
{
    private readonly TaskCompletionSource<CheckpointState?> _state = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public TaskId Task { get; } = request.Id;

    /// <summary>Sends it to another node while it is written; null: nobody does.</summary>
    public CallSender? Sender => request.Sender;

    /// <summary>Nothing is written: the call is ended, and its task begins anew.</summary>
    public bool IsRestart { get; init; }

    public CallWorker Worker { get; } = worker;

    public uint Ticket { get; } = ticket;

    /// <summary>When it was asked for.</summary>
    public long Begun { get; } = Stopwatch.GetTimestamp();

    /// <summary>The worker may run while most of it is written down: it does run. Set by the dispatch owner.</summary>
    public bool IsLive { get; set; }

    /// <summary>What its agent said when all was read. Set by the supervisor before that is told, as is the next.</summary>
    public WorkerMoved Moved { get; private set; }

    /// <summary>When the worker was stopped.</summary>
    public long StandsSince { get; private set; }

    /// <summary>Of the record.</summary>
    public int Slot { get; } = slot;

    /// <summary>The ledger will know its file.</summary>
    public bool IsDurable { get; } = durable;

    /// <summary>The agent holds the worker still, until it is let go or killed. Completion thread.</summary>
    public bool Stands { get; set; }

    public int Index => (int)(Ticket & 0xFF);

    /// <summary>Of its timeout when it was stopped, in ticks; <see cref="long.MaxValue"/>: none. Set by the dispatch owner.</summary>
    public long TimeLeft { get; set; } = long.MaxValue;

    /// <summary>What the worker had said when it was written down. Completion thread.</summary>
    public ulong Position { get; set; }

    /// <summary>Null once it is given up.</summary>
    public Task<CheckpointState?> State => _state.Task;

    /// <summary>The file, once it is whole. Set before that is told.</summary>
    public TaskCheckpoint? File { get; set; }

    /// <summary>The agent has read all. Supervisor.</summary>
    public void OnMoved(in WorkerMoved moved)
    {
        Moved = moved;
        StandsSince = Stopwatch.GetTimestamp() - (long)(moved.FrozenNanoseconds * (Stopwatch.Frequency / 1e9));
    }

    /// <summary>While it was being written down its time ran, too, up to when it was stopped. Completion thread, once.</summary>
    public void CountTime()
    {
        if (TimeLeft != long.MaxValue)
        {
            TimeLeft = Math.Max(1, TimeLeft - Math.Max(0, (StandsSince == 0 ? Stopwatch.GetTimestamp() : StandsSince) - Begun));
        }
    }

    /// <summary>The worker stands still, and what belongs to it is known. Any thread.</summary>
    public void Describe(CheckpointState? state) => _state.TrySetResult(state);

    /// <summary>Nothing comes of it. Any thread.</summary>
    public void GiveUp(OperationError why)
    {
        Describe(null);
        request.Reply(why);
    }

    public void Succeed() => request.Reply(null);
}
