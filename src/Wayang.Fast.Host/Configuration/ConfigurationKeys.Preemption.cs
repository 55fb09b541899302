using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Preemption;

namespace Wayang.Fast.Host.Configuration;

/// <content>Who is frozen for whom when a higher class finds no slot, and how many may stand still.</content>
public static partial class ConfigurationKeys
{
    private static IEnumerable<ConfigurationKey> OfPreemption() =>
    [
        new("preemption.mode", KeyKind.Word, "Whether a running task of a lower class is frozen, and its slot lent, when a higher class finds none free.")
        {
            Choices = ["off", "on"],
            Read = static s => s.Runtime.Preemption.Enabled ? "on" : "off",
            Apply = static (s, v) => With(s, s.Runtime.Preemption with { Enabled = v.Number == 1 }),
        },
        ClassOfPreemption("preemption.by", "The lowest class that freezes others; never within a class.", TaskClass.Batch, TaskClass.Urgent, static p => p.By, static (p, c) => p with { By = c }),
        ClassOfPreemption("preemption.of", "The highest class that is frozen.", TaskClass.Idle, TaskClass.Normal, static p => p.Of, static (p, c) => p with { Of = c }),
        Number("preemption.max_tasks", "Tasks that may be frozen at once; beyond it a higher class waits.", 1, 4_096, static r => r.Preemption.MaxTasks, static (r, n) => r with { Preemption = r.Preemption with { MaxTasks = (int)n } }),
        Size("preemption.max_bytes", "Memory that frozen tasks may hold together; beyond it a higher class waits.", 1 << 20, 1L << 44, static r => r.Preemption.MaxBytes, static (r, n) => r with { Preemption = r.Preemption with { MaxBytes = n } })
            with { ZeroMeans = "a quarter of memory.node_bytes" },
        Number("preemption.max_frozen_s", "A task that has been frozen so long altogether gets the next slot that is free, and is frozen no more.", 1, 86_400, static r => (long)r.Preemption.Longest.TotalSeconds, static (r, n) => r with { Preemption = r.Preemption with { Longest = TimeSpan.FromSeconds(n) } })
            with { Unit = "s" },
    ];

    private static ConfigurationKey ClassOfPreemption(
        string name, string what, TaskClass lowest, TaskClass highest, Func<PreemptionPolicy, TaskClass> read, Func<PreemptionPolicy, TaskClass, PreemptionPolicy> apply) =>
        new(name, KeyKind.Word, what)
        {
            Choices = [.. Enum.GetValues<TaskClass>().Where(c => c >= lowest && c <= highest).Select(WireNames.Text)],
            Read = s => WireNames.Text(read(s.Runtime.Preemption)),
            Apply = (s, v) => With(s, apply(s.Runtime.Preemption, (TaskClass)((int)lowest + (int)v.Number))),
        };

    private static FileSettings With(FileSettings settings, PreemptionPolicy policy) => settings with { Runtime = settings.Runtime with { Preemption = policy } };
}
