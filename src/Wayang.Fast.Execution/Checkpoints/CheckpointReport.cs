using System.Diagnostics;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Execution.Spawner;

namespace Wayang.Fast.Execution.Checkpoints;

/// <summary>What is told of calls that are written down and continued: events, and figures. Each recorder has the one thread that its method names; any thread reads.</summary>
internal sealed class CheckpointReport(EventDesk desk)
{
    private readonly LatencyHistogram _written = LatencyHistogram.Coarse();
    private readonly LatencyHistogram _frozen = LatencyHistogram.Coarse();
    private readonly LatencyHistogram _restored = LatencyHistogram.Coarse();
    private long _bytesWritten;
    private long _liveBytes;
    private long _rounds;
    private long _bytesRestored;
    private long _notWritten;
    private long _notContinued;

    /// <summary>A call stands in its file. Completion thread.</summary>
    public void OnWritten(Capture capture, int tenant)
    {
        var took = Stopwatch.GetElapsedTime(capture.Begun);
        _written.Record((long)took.TotalMicroseconds);
        _frozen.Record((long)(capture.Moved.FrozenNanoseconds / 1000));
        Volatile.Write(ref _bytesWritten, _bytesWritten + capture.File!.Bytes);
        Volatile.Write(ref _liveBytes, _liveBytes + (long)capture.Moved.LiveBytes);
        Volatile.Write(ref _rounds, _rounds + capture.Moved.Rounds);
        Tell(EventTypes.TaskCheckpointed, EventSeverity.Info, capture.Task, tenant, capture.File.Bytes, took, capture.Moved, null);
    }

    /// <summary>It was not written down after all, and goes on where it is or has ended. Completion thread.</summary>
    public void OnNotWritten() => Volatile.Write(ref _notWritten, _notWritten + 1);

    /// <summary>A worker stands where the call stood. Supervisor.</summary>
    public void OnRestored(Continuation continuation, in WorkerMoved moved)
    {
        var took = TimeSpan.FromMicroseconds(moved.FrozenNanoseconds / 1000.0);
        _restored.Record((long)took.TotalMicroseconds);
        Volatile.Write(ref _bytesRestored, _bytesRestored + (long)moved.Bytes);
        Tell(EventTypes.TaskContinued, EventSeverity.Info, continuation.Task, continuation.Pool.Key.Tenant, (long)moved.Bytes, took, null, continuation.IsAhead);
    }

    /// <summary>It could not go on from its file, in which it stays. Completion thread.</summary>
    public void OnNotContinued(Continuation continuation, string why)
    {
        Volatile.Write(ref _notContinued, _notContinued + 1);
        desk.Post(Made(EventTypes.TaskNotContinued, EventSeverity.Warning, continuation.Task, continuation.Pool.Key.Tenant, EventData.Write((ref MessagePackWriter writer) =>
        {
            writer.WriteMapHeader(1);
            EventData.Text(ref writer, "reason", why);
        })));
    }

    public void Add(Dictionary<string, long> values)
    {
        values["checkpoints_written"] = _written.Total;
        values["checkpoints_failed"] = Volatile.Read(ref _notWritten);
        values["checkpoints_continued"] = _restored.Total;
        values["checkpoints_not_continued"] = Volatile.Read(ref _notContinued);
    }

    public void Write(Exposition to)
    {
        to.Histogram("wayang_checkpoint_write_seconds", "From the wish to write a call down until its file is safe on the disk; the call runs for most of it where its writes can be counted meanwhile.");
        to.Distribution(_written, 1e-6);
        to.Histogram("wayang_checkpoint_frozen_seconds", "Of that: from the request to freeze its worker until all that travels of its memory was read.");
        to.Distribution(_frozen, 1e-6);
        to.Histogram("wayang_checkpoint_restore_seconds", "From a fresh worker until it stands where the call stood; one that was made while the file was on its way waited for that.");
        to.Distribution(_restored, 1e-6);
        to.Counter("wayang_checkpoint_written_bytes_total", "Bytes of the files that calls were written into.", Volatile.Read(ref _bytesWritten));
        to.Counter("wayang_checkpoint_live_bytes_total", "Bytes of calls' memory that were written down while they ran.", Volatile.Read(ref _liveBytes));
        to.Counter("wayang_checkpoint_rounds_total", "Rounds in which calls' memory was written down while they ran.", Volatile.Read(ref _rounds));
        to.Counter("wayang_checkpoint_restored_bytes_total", "Bytes of memory that workers were made of.", Volatile.Read(ref _bytesRestored));
        to.Counter("wayang_checkpoint_failures_total", "Calls that were not written down, or did not go on from their file, when that was asked for.");
        to.Sample(Volatile.Read(ref _notWritten), "step", "write");
        to.Sample(Volatile.Read(ref _notContinued), "step", "restore");
    }

    private void Tell(string type, EventSeverity severity, TaskId task, int tenant, long bytes, TimeSpan took, WorkerMoved? written, bool? ahead) =>
        desk.Post(Made(type, severity, task, tenant, EventData.Write((ref MessagePackWriter writer) =>
        {
            writer.WriteMapHeader(2 + (written is null ? 0 : 3) + (ahead is null ? 0 : 1));
            EventData.Number(ref writer, "bytes", bytes);
            EventData.Number(ref writer, "duration_us", (long)took.TotalMicroseconds);
            if (written is { } moved)
            {
                EventData.Number(ref writer, "frozen_us", (long)(moved.FrozenNanoseconds / 1000));
                EventData.Number(ref writer, "live_bytes", (long)moved.LiveBytes);
                EventData.Number(ref writer, "rounds", moved.Rounds);
            }

            if (ahead is { } wasAhead)
            {
                EventData.Flag(ref writer, "ahead", wasAhead);
            }
        })));

    private static NodeEvent Made(string type, EventSeverity severity, TaskId task, int tenant, byte[] data) =>
        new(0, DateTimeOffset.UtcNow.ToUnixTimeMilliseconds(), type, severity, tenant, task, data);
}
