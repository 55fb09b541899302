namespace Wayang.Fast.Host.Configuration;

/// <content>The bounds of what tasks ask of their lives.</content>
public static partial class ConfigurationKeys
{
    private static IEnumerable<ConfigurationKey> OfLife() =>
    [
        Number("life.idempotency_minutes", "How long an idempotency key is remembered after its submission.", 1, 10_080, static r => r.IdempotencyMinutes, static (r, n) => r with { IdempotencyMinutes = (int)n })
            with { Unit = "min", Change = KeyChange.Restart },
        Number("life.idempotency_keys", "Idempotency keys that are remembered; more are refused.", 1, 10_000_000, static r => r.MaxIdempotencyKeys, static (r, n) => r with { MaxIdempotencyKeys = (int)n })
            with { Change = KeyChange.Restart },
        Number("life.groups", "Groups; those without tasks make room.", 1, 1_000_000, static r => r.MaxGroups, static (r, n) => r with { MaxGroups = (int)n })
            with { Change = KeyChange.Restart },
        Number("life.children", "Children of one task that have not ended.", 1, 1_000_000, static r => r.MaxChildren, static (r, n) => r with { MaxChildren = (int)n }),
        Number("life.family_depth", "Tasks above a task: parents, their parents and so on.", 1, 1_000, static r => r.MaxFamilyDepth, static (r, n) => r with { MaxFamilyDepth = (int)n }),
    ];
}
