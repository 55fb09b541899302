namespace Wayang.Fast.Host.Configuration;

/// <summary>What became of one changed value at a reload.</summary>
/// <param name="Key">Its key.</param>
/// <param name="Before">What was in force.</param>
/// <param name="After">What the configuration says now.</param>
/// <param name="NeedsRestart">It is not in force yet (or not in full).</param>
public sealed record ConfigurationChange(ConfigurationKey Key, string Before, string After, bool NeedsRestart)
{
    public override string ToString()
    {
        var (before, after) = Key.IsSecret ? ("(secret)", "(another secret)") : (Words(Before), Words(After));
        return NeedsRestart
            ? $"{Key.Name}: {before} -> {after} needs a restart of the runtime; until then {before}"
            : $"{Key.Name}: {before} -> {after}";
    }

    /// <summary>Compares what is in force with what is wanted, key by key.</summary>
    public static IReadOnlyList<ConfigurationChange> Between(FileSettings before, FileSettings wanted, FileSettings after)
    {
        var changes = new List<ConfigurationChange>();
        foreach (var key in ConfigurationKeys.All)
        {
            if (key.Read is { } read && read(before) is var old && read(wanted) is var want && old != want)
            {
                changes.Add(new ConfigurationChange(key, old, want, read(after) != want));
            }
        }

        return changes;
    }

    private static string Words(string value) => value.Length == 0 ? "(default)" : value;
}
