using System.Diagnostics;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Preemption;
using Wayang.Fast.Execution.Dispatch;
using Wayang.Fast.Execution.Supervision;

namespace Wayang.Fast.Execution.Preemption;

/// <summary>What is told of freezes, in <c>node.stats</c> and at <c>/metrics</c>. Cold; any thread; of momentary values.</summary>
internal static class PreemptionReport
{
    private static readonly PreemptionVerdict[] s_refusals = [.. Enum.GetValues<PreemptionVerdict>().Where(static v => v != PreemptionVerdict.Chosen)];

    public static void Add(Dictionary<string, long> values, Shard shard, Supervisor supervisor)
    {
        var book = shard.Preemption;
        values["preemption_frozen"] = shard.Frozen;
        values["preemption_frozen_bytes"] = book.Bytes;
        values["preemption_freezes"] = book.Freezes;
        values["preemption_thaws"] = book.Thaws;
        values["preemption_ended_frozen"] = book.EndedFrozen;
        values["freezes_by_group"] = supervisor.FreezesByGroup;
        values["freezes_by_signal"] = supervisor.FreezesBySignal;
        foreach (var verdict in s_refusals)
        {
            values[$"preemption_refused_{WireNames.Text(verdict)}"] = book.RefusedFor(verdict);
        }
    }

    public static void Write(Exposition to, Shard shard, Supervisor supervisor)
    {
        var book = shard.Preemption;
        to.Gauge("wayang_preemption_frozen_tasks", "Tasks (of calls: workers) that are frozen now, their slots lent.", shard.Frozen);
        to.Gauge("wayang_preemption_frozen_bytes", "Memory that they hold, as far as it is known.", book.Bytes);
        to.Counter("wayang_preemption_freezes_total", "Freezes for a task of a higher class.", book.Freezes);
        to.Counter("wayang_preemption_thaws_total", "Frozen tasks that went on.", book.Thaws);
        to.Counter("wayang_preemption_ended_frozen_total", "Frozen tasks that ended without going on.", book.EndedFrozen);
        to.Counter("wayang_preemption_refused_total", "How often a higher class that waited found nobody to freeze, by why.");
        foreach (var verdict in s_refusals)
        {
            to.Sample(book.RefusedFor(verdict), "reason", WireNames.Text(verdict));
        }

        to.Histogram("wayang_preemption_frozen_seconds", "From a freeze to its end.");
        to.Distribution(book.FrozenTime, 1.0 / Stopwatch.Frequency);
        to.Counter("wayang_freezes_total", "Workers that the spawner froze, pauses too, by how.");
        to.Sample(supervisor.FreezesByGroup, "by", "group");
        to.Sample(supervisor.FreezesBySignal, "by", "signal");
    }
}
