using System.Collections;

using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Host.Configuration;

/// <summary>Keys given by the environment: WAYANG__SECTION__KEY=value, in any case. They go before the file.</summary>
internal static class EnvironmentOverrides
{
    public const string Prefix = "WAYANG__";
    public const string Separator = "__";

    /// <summary>More of them is no configuration.</summary>
    public const int MaxCount = 256;

    /// <summary>The variables of a process that are meant for us, in the order of their names.</summary>
    public static IReadOnlyList<(string Name, string Value)> Of(IDictionary environment) =>
    [
        .. environment.Keys.OfType<string>()
            .Where(static name => name.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase))
            .OrderBy(static name => name, StringComparer.Ordinal)
            .Select(name => (name, environment[name] as string ?? string.Empty)),
    ];

    public static List<GivenValue> Read(IReadOnlyList<(string Name, string Value)> variables, List<ConfigurationProblem> problems)
    {
        var given = new List<GivenValue>();
        foreach (var (name, text) in variables)
        {
            var place = ConfigurationPlace.Environment(name);
            var key = ConfigurationKeys.All.FirstOrDefault(k => string.Equals(k.EnvironmentName, name, StringComparison.OrdinalIgnoreCase));
            if (key is null)
            {
                problems.Add(Unknown(place, name));
            }
            else if (given.Find(g => g.Key == key) is { } twice)
            {
                problems.Add(new ConfigurationProblem(place, key.Name, $"is given twice, differing in case: also by {twice.Place.Name}"));
            }
            else if (ValueReader.TryRead(key, text, out var value) is { } reason)
            {
                problems.Add(new ConfigurationProblem(place, key.Name, reason) { Allowed = key.Allowed });
            }
            else
            {
                given.Add(new GivenValue(key, value, ConfigurationLayer.Environment, place));
            }
        }

        return given;
    }

    private static ConfigurationProblem Unknown(ConfigurationPlace place, string name)
    {
        if (name.StartsWith(Prefix + ImageSection.Name, StringComparison.OrdinalIgnoreCase))
        {
            return new ConfigurationProblem(place, ImageSection.Name, "is a list; give it in the file");
        }

        // Without the prefix, which is right in any case and would make everything near.
        var nearest = NearestName.Of(name[Prefix.Length..].ToUpperInvariant(), ConfigurationKeys.All.Select(static k => k.EnvironmentName[Prefix.Length..]));
        return nearest is null
            ? new ConfigurationProblem(place, "", $"no such key; 'wayang config show' lists them, {Prefix}LIMITS{Separator}QUEUED_TASKS is one")
            : new ConfigurationProblem(place, "", $"no such key; did you mean {Prefix}{nearest}?") { Nearest = Prefix + nearest };
    }
}
