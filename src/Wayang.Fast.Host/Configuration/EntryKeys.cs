using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Host.Configuration;

/// <summary>Finds the keys of one entry of a list (an image, a tenant) and tells those that there are not, or twice.</summary>
/// <param name="file">For the places of what is wrong.</param>
/// <param name="entry">What has these keys, with its article: "an image".</param>
/// <param name="keys">All that there are.</param>
internal sealed class EntryKeys(string file, string entry, string[] keys, List<ConfigurationProblem> problems)
{
    /// <param name="label">The entry's place in words: images[0].</param>
    /// <param name="node">A mapping.</param>
    public Dictionary<string, ConfigurationNode> Values(string label, ConfigurationNode node)
    {
        var values = new Dictionary<string, ConfigurationNode>(StringComparer.Ordinal);
        foreach (var (key, value) in node.Pairs)
        {
            if (key.Kind != NodeKind.Scalar || !keys.Contains(key.Text, StringComparer.Ordinal))
            {
                var nearest = NearestName.Of(key.Text, keys);
                problems.Add(new ConfigurationProblem(PlaceOf(key), $"{label}.{ValueReader.Shortened(key.Text)}", nearest is null
                    ? $"no such key; {entry} has: {string.Join(", ", keys)}"
                    : $"no such key; did you mean '{nearest}'?")
                { Nearest = nearest, Allowed = string.Join(", ", keys) });
            }
            else if (!values.TryAdd(key.Text, value))
            {
                problems.Add(new ConfigurationProblem(PlaceOf(key), $"{label}.{key.Text}", "stands twice"));
            }
        }

        return values;
    }

    private ConfigurationPlace PlaceOf(ConfigurationNode node) => new(file, node.Line, node.Column);
}
