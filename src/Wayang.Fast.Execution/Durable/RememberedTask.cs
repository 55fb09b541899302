using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Execution.Durable;

/// <summary>An ended task as the ledger remembers it.</summary>
internal sealed class RememberedTask(LedgerTask task, EndFacts facts) : ITaskView
{
    public TaskId Id => task.Id;

    public int Tenant => task.Tenant;

    public TaskKind Kind => facts.Kind;

    public TaskState State => task.State;

    public TaskCause Cause => facts.Cause;

    public StreamBytes Output => new(Stream(OutputStream.Output));

    public StreamBytes Stdout => new(Stream(OutputStream.Stdout));

    public StreamBytes Stderr => new(Stream(OutputStream.Stderr));

    public StreamBytes Log => new(Stream(OutputStream.Log));

    public long StdoutDropped => facts.StdoutDropped;

    public long StderrDropped => facts.StderrDropped;

    public long LogDropped => facts.LogDropped;

    public long QueueMicroseconds => facts.QueueMicroseconds;

    public long StartMicroseconds => facts.StartMicroseconds;

    public long RunMicroseconds => facts.RunMicroseconds;

    public ulong PeakMemoryBytes => facts.PeakMemoryBytes;

    public ulong CpuMicroseconds => facts.CpuMicroseconds;

    public TaskLifeFacts? Life => facts.Life;

    public bool FromCache => facts.FromCache;

    public ReadOnlySpan<byte> Stream(OutputStream stream) => task.Streams[(int)stream];

    public long Dropped(OutputStream stream) => stream switch
    {
        OutputStream.Stdout => StdoutDropped,
        OutputStream.Stderr => StderrDropped,
        OutputStream.Log => LogDropped,
        _ => 0,
    };

    public TaskSnapshot ToSnapshot()
    {
        var submitted = DateTimeOffset.FromUnixTimeMilliseconds(task.SubmittedUnixMs);
        return new TaskSnapshot(
            Id, Kind, State, Cause, facts.Level, task.Tenant, facts.Image, facts.Function, submitted,
            submitted.AddMicroseconds(QueueMicroseconds + StartMicroseconds + RunMicroseconds),
            QueueMicroseconds, StartMicroseconds, RunMicroseconds, PeakMemoryBytes, CpuMicroseconds, Output.Length, Stdout.Length, Stderr.Length)
        {
            Life = Life, LogBytes = Log.Length, Grants = facts.Grants,
        };
    }
}
