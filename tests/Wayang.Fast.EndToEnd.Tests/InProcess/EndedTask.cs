using System.Globalization;
using System.Text;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.EndToEnd.Tests.InProcess;

/// <summary>A copy of an end.</summary>
internal sealed record EndedTask(
    TaskId Id, TaskState State, TaskCause Cause, byte[] Output, byte[] Stdout, byte[] Stderr, long StdoutDropped, long StderrDropped,
    ulong PeakMemoryBytes, ulong CpuMicroseconds)
{
    public TaskLifeFacts? Life { get; init; }

    public string Log { get; init; } = "";

    public long LogDropped { get; init; }

    public TaskArtifacts? Artifacts { get; init; }

    public string Text => Encoding.UTF8.GetString(Output);

    public string Out => Encoding.UTF8.GetString(Stdout);

    public string Err => Encoding.UTF8.GetString(Stderr);

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{State} {Cause.Type}({Cause.Value}) {Cause.Detail} | {Out} | {Err}");
}

/// <summary>Waits for the end of one task and counts how often it was told.</summary>
internal sealed class EndWaiter : ITaskObserver
{
    private readonly TaskCompletionSource<EndedTask> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _told;

    public Task<EndedTask> Ended => _ended.Task;

    public int Told => Volatile.Read(ref _told);

    public void OnTaskEnded(ITaskView task, long token)
    {
        Interlocked.Increment(ref _told);
        _ended.TrySetResult(new EndedTask(
            task.Id, task.State, task.Cause, task.Output.ToArray(), task.Stdout.ToArray(), task.Stderr.ToArray(), task.StdoutDropped, task.StderrDropped,
            task.PeakMemoryBytes, task.CpuMicroseconds)
        {
            Life = task.Life,
            Log = Encoding.UTF8.GetString(task.Log.ToArray()),
            LogDropped = task.LogDropped,
            Artifacts = task.Artifacts,
        });
    }

    public void OnBatchEnd()
    {
    }
}
