using Wayang.Fast.Execution;

namespace Wayang.Fast.Host.Configuration;

/// <content>How long what is low waits before it goes first.</content>
public static partial class ConfigurationKeys
{
    private static IEnumerable<ConfigurationKey> OfScheduling() =>
    [
        Ageing("idle", "batch", static r => r.IdleAgeing, static (r, t) => r with { IdleAgeing = t }),
        Ageing("batch", "normal", static r => r.BatchAgeing, static (r, t) => r with { BatchAgeing = t }),
        Ageing("normal", "urgent", static r => r.NormalAgeing, static (r, t) => r with { NormalAgeing = t }),
        Ageing("urgent", "its highest level", static r => r.UrgentAgeing, static (r, t) => r with { UrgentAgeing = t }),
    ];

    private static ConfigurationKey Ageing(string from, string to, Func<RuntimeOptions, TimeSpan> read, Func<RuntimeOptions, TimeSpan, RuntimeOptions> apply) =>
        Number($"scheduling.ageing.{from}_s", $"A task of class {from} that waits so long is lifted to {to}.", 1, 86_400, r => (long)read(r).TotalSeconds, (r, n) => apply(r, TimeSpan.FromSeconds(n)))
            with { Unit = "s", ZeroMeans = "never", Change = KeyChange.Restart };
}
