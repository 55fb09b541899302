using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Events;

namespace Wayang.Fast.Cluster.Migration;

/// <summary>What is told of calls that move between nodes: events and figures. Thread-safe.</summary>
internal sealed class HandoverReport(EventDesk events)
{
    private readonly Lock _lock = new();
    private readonly LatencyHistogram _pause = LatencyHistogram.Coarse();
    private readonly long[] _moves = new long[Enum.GetValues<MoveReason>().Length];
    private long _bytes;
    private long _refused;
    private long _returned;
    private long _lost;

    /// <summary>A call goes on at another node, or at home again.</summary>
    public void OnMoved(TaskId task, int tenant, string node, TaskMoves moves)
    {
        lock (_lock)
        {
            _pause.Record((long)moves.Pause.TotalMicroseconds);
            _bytes += moves.Bytes;
            _moves[(int)moves.Why]++;
        }

        events.Post(Made("begun", EventSeverity.Info, task, tenant, (ref writer) =>
        {
            writer.WriteMapHeader(4);
            EventData.Text(ref writer, "peer", node);
            EventData.Number(ref writer, "bytes", moves.Bytes);
            EventData.Number(ref writer, "duration_us", (long)moves.Pause.TotalMicroseconds);
            EventData.Text(ref writer, "why", WireNames.Text(moves.Why));
        }));
    }

    /// <summary>It stayed where it was.</summary>
    public void OnRefused(TaskId task, int tenant, string node, string why)
    {
        Interlocked.Increment(ref _refused);
        Tell("refused", EventSeverity.Warning, task, tenant, node, why);
    }

    /// <summary>It did not go on there, and does so at home.</summary>
    public void OnReturned(TaskId task, int tenant, string node, string why, bool lost)
    {
        Interlocked.Increment(ref lost ? ref _lost : ref _returned);
        Tell(lost ? "lost" : "returned", EventSeverity.Warning, task, tenant, node, why);
    }

    public void Write(Exposition to, int away)
    {
        to.Gauge("wayang_tasks_away", "Calls of this node that go on at another one.");
        to.Sample(away);
        to.Counter("wayang_handovers_total", "Calls that went on at another node, or at home again, by why they were moved.");
        foreach (var why in Enum.GetValues<MoveReason>())
        {
            to.Sample(Volatile.Read(ref _moves[(int)why]), "why", WireNames.Text(why));
        }

        to.Histogram("wayang_handover_pause_seconds", "From the wish to write a call down until it went on at the other node.");
        lock (_lock)
        {
            to.Distribution(_pause, 1e-6);
        }

        to.Counter("wayang_handover_bytes_total", "Bytes of the files of calls that moved.", Interlocked.Read(ref _bytes));
        to.Counter("wayang_handover_failures_total", "Calls that did not move when that was asked for, that another node gave back, or that went on at home since it was lost.");
        to.Sample(Interlocked.Read(ref _refused), "how", "refused");
        to.Sample(Interlocked.Read(ref _returned), "how", "returned");
        to.Sample(Interlocked.Read(ref _lost), "how", "lost");
    }

    private void Tell(string what, EventSeverity severity, TaskId task, int tenant, string node, string why) => events.Post(Made(what, severity, task, tenant, (ref writer) =>
    {
        writer.WriteMapHeader(2);
        EventData.Text(ref writer, "peer", node);
        EventData.Text(ref writer, "reason", why);
    }));

    private static NodeEvent Made(string what, EventSeverity severity, TaskId task, int tenant, EventDataWriter data) =>
        new(0, DateTimeOffset.UtcNow.ToUnixTimeMilliseconds(), EventTypes.HandoverPrefix + what, severity, tenant, task, EventData.Write(data));
}
