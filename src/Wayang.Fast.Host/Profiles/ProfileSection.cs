using System.Globalization;

using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Execution.Isolation;
using Wayang.Fast.Host.Configuration;

namespace Wayang.Fast.Host.Profiles;

/// <summary>
/// Reads <c>profiles:</c>, a map of name to {inherits, description?, paths?, syscalls?: {remove}, network?, destinations?, limits?}: each
/// is one of the policy's, made tighter.
/// </summary>
internal sealed class ProfileSection(string file, List<ConfigurationProblem> problems)
{
    public const string Name = "profiles";
    public const int MaxProfiles = 16;
    private const int MaxNames = 128;
    private const int MaxName = 63;

    private static readonly string[] Keys = ["inherits", "description", "paths", "syscalls", "network", "destinations", "limits"];
    private static readonly string[] LimitKeys = ["memory", "tmpfs", "file_size", "pids", "open_files"];
    private static readonly string[] Levels = ["none", "loopback", "granted", "host"];

    public IReadOnlyList<ConfiguredProfile> Read(ConfigurationNode node)
    {
        if (node.SaysNothing)
        {
            return [];
        }

        if (node.Kind != NodeKind.Mapping || node.Pairs.Count > MaxProfiles)
        {
            Tell(node, Name, string.Create(CultureInfo.InvariantCulture, $"must be at most {MaxProfiles} profiles by name: 'locked: {{inherits: standard}}'"));
            return [];
        }

        var profiles = new List<ConfiguredProfile>();
        foreach (var (key, value) in node.Pairs)
        {
            var label = $"{Name}.{ValueReader.Shortened(key.Text)}";
            var before = problems.Count;
            if (!IsName(key.Text) || profiles.Exists(p => p.Profile.Name == key.Text))
            {
                Tell(key, label, $"a name is 1 to {MaxName} of A-Z a-z 0-9 . _ -, and stands once");
            }

            var profile = ReadProfile(label, key, value);
            if (problems.Count == before && profile is not null)
            {
                profiles.Add(new ConfiguredProfile(profile, new ConfigurationPlace(file, key.Line, key.Column)));
            }
        }

        return InOrder(profiles);
    }

    /// <summary>Each after the one that it inherits; those of a circle are told.</summary>
    private List<ConfiguredProfile> InOrder(List<ConfiguredProfile> profiles)
    {
        var ordered = new List<ConfiguredProfile>();
        var left = profiles.ToList();
        while (left.FindIndex(p => left.TrueForAll(o => o.Profile.Name != p.Profile.Base)) is >= 0 and var next)
        {
            ordered.Add(left[next]);
            left.RemoveAt(next);
        }

        problems.AddRange(left.Select(p => new ConfigurationProblem(p.Place, $"{Name}.{p.Profile.Name}.inherits", "inherits itself, by way of the others")));
        return ordered;
    }

    private DerivedProfile? ReadProfile(string label, ConfigurationNode key, ConfigurationNode node)
    {
        if (Values(label, node, Keys) is not { } values)
        {
            return null;
        }

        if (!values.TryGetValue("inherits", out var basis) || basis.Kind != NodeKind.Scalar || !IsName(basis.Text))
        {
            Tell(basis ?? key, label + ".inherits", "must name the profile that this one is made tighter of, for example standard");
            return null;
        }

        var limits = values.TryGetValue("limits", out var given) ? Values(label + ".limits", given, LimitKeys) ?? [] : [];
        return new DerivedProfile(key.Text, basis.Text)
        {
            MemoryBytes = Number(label, limits, "memory", KeyKind.Size, 1 << 20, 1L << 46) ?? 0,
            TmpfsBytes = Number(label, limits, "tmpfs", KeyKind.Size, 4096, 1L << 46) ?? 0,
            FileBytes = Number(label, limits, "file_size", KeyKind.Size, 0, 1L << 46),
            Pids = (int)(Number(label, limits, "pids", KeyKind.Number, 1, 4096) ?? 0),
            OpenFiles = (int)(Number(label, limits, "open_files", KeyKind.Number, 8, 65536) ?? 0),
            Network = Level(label, values),
            Destinations = Destinations(label, values),
            Paths = Texts(label + ".paths", values.GetValueOrDefault("paths"), static t => t.Length > 1 && t[0] == '/' && !t.Split('/').Contains("..", StringComparer.Ordinal), "absolute paths without '..'") ?? [],
            DeniedCalls = Removed(label, values),
        };
    }

    private NetworkLevel? Level(string label, Dictionary<string, ConfigurationNode> values)
    {
        if (!values.TryGetValue("network", out var node))
        {
            return null;
        }

        var index = node.Kind == NodeKind.Scalar ? Array.IndexOf(Levels, node.Text) : -1;
        if (index < 0)
        {
            Tell(node, label + ".network", $"must be one of {string.Join(", ", Levels)}");
            return null;
        }

        return (NetworkLevel)index;
    }

    private List<string>? Destinations(string label, Dictionary<string, ConfigurationNode> values) =>
        Texts(label + ".destinations", values.GetValueOrDefault("destinations"), static t => Destination.TryParse(t, out _, out _), "destinations, HOST:PORT each: example.com:443, *.example.com:443, 10.0.0.0/8:5432");

    private List<string> Removed(string label, Dictionary<string, ConfigurationNode> values)
    {
        if (!values.TryGetValue("syscalls", out var node) || Values(label + ".syscalls", node, ["remove"]) is not { } changes)
        {
            return [];
        }

        return Texts(label + ".syscalls.remove", changes.GetValueOrDefault("remove"), static t => t.Length is > 0 and < 64 && t.All(static c => char.IsAsciiLetterOrDigit(c) || c == '_'), "names of system calls") ?? [];
    }

    private List<string>? Texts(string label, ConfigurationNode? node, Func<string, bool> isGood, string what)
    {
        if (node is null || node.SaysNothing || node.Kind == NodeKind.Refused)
        {
            return null;
        }

        if (node.Kind != NodeKind.Sequence || node.Items.Count > MaxNames)
        {
            Tell(node, label, $"must be a list of at most {MaxNames} {what}");
            return null;
        }

        foreach (var item in node.Items.Where(i => i.Kind != NodeKind.Scalar || !isGood(i.Text)))
        {
            Tell(item, label, $"must be a list of {what}, not '{ValueReader.Shortened(item.Text)}'");
        }

        return [.. node.Items.Select(static i => i.Text)];
    }

    private long? Number(string label, Dictionary<string, ConfigurationNode> limits, string key, KeyKind kind, long minimum, long maximum)
    {
        if (!limits.TryGetValue(key, out var node))
        {
            return null;
        }

        var rule = new ConfigurationKey($"{label}.limits.{key}", kind, string.Empty) { Minimum = minimum, Maximum = maximum };
        var value = default(ConfigurationValue);
        var reason = node.Kind == NodeKind.Scalar ? ValueReader.TryRead(rule, node.Text, out value) : $"must be {rule.Allowed}";
        if (reason is not null)
        {
            Tell(node, rule.Name, reason);
            return null;
        }

        return value.Number;
    }

    private Dictionary<string, ConfigurationNode>? Values(string label, ConfigurationNode node, string[] allowed)
    {
        if (node.Kind != NodeKind.Mapping)
        {
            Tell(node, label, $"must be keys and values: {string.Join(", ", allowed)}");
            return null;
        }

        var values = new Dictionary<string, ConfigurationNode>(StringComparer.Ordinal);
        foreach (var (key, value) in node.Pairs)
        {
            if (!allowed.Contains(key.Text, StringComparer.Ordinal) || !values.TryAdd(key.Text, value))
            {
                var nearest = NearestName.Of(key.Text, allowed);
                problems.Add(new ConfigurationProblem(
                    new ConfigurationPlace(file, key.Line, key.Column), $"{label}.{ValueReader.Shortened(key.Text)}",
                    nearest is null ? $"no such key; there are: {string.Join(", ", allowed)}" : $"no such key, or twice; did you mean '{nearest}'?")
                { Nearest = nearest, Allowed = string.Join(", ", allowed) });
            }
        }

        return values;
    }

    private static bool IsName(string name) => name.Length is > 0 and <= MaxName && name[0] != '.' && name.All(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-');

    private void Tell(ConfigurationNode node, string key, string reason) => problems.Add(new ConfigurationProblem(new ConfigurationPlace(file, node.Line, node.Column), key, reason));
}
