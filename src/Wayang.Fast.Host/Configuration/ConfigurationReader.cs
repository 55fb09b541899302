using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Host.Profiles;

namespace Wayang.Fast.Host.Configuration;

/// <summary>Finds the keys in the tree of a file, collects their values and everything that is wrong.</summary>
internal sealed class ConfigurationReader(string file, List<ConfigurationProblem> problems)
{
    public List<GivenValue> Given { get; } = [];

    public IReadOnlyList<ConfiguredImage> Images { get; private set; } = [];

    public IReadOnlyList<ConfiguredProfile> Profiles { get; private set; } = [];

    public IReadOnlyList<ConfiguredTenant> Tenants { get; private set; } = [];

    public IReadOnlyList<ConfiguredPeer> Peers { get; private set; } = [];

    public void Read(string text)
    {
        if (new TreeReader(file, problems).Read(text) is not { } root || root.Kind == NodeKind.Refused || root.SaysNothing)
        {
            return;
        }

        if (root.Kind != NodeKind.Mapping)
        {
            Tell(root, "", "a mapping of keys to values was expected, for example 'http_port: 7801'");
            return;
        }

        ReadSection("", root);
    }

    private void ReadSection(string section, ConfigurationNode node)
    {
        var seen = new Dictionary<string, ConfigurationNode>(StringComparer.Ordinal);
        foreach (var (key, value) in node.Pairs)
        {
            if (key.Kind != NodeKind.Scalar)
            {
                if (key.Kind != NodeKind.Refused)
                {
                    Tell(key, section, "a key must be a plain word");
                }

                continue;
            }

            var name = section.Length == 0 ? key.Text : $"{section}.{key.Text}";
            if (!seen.TryAdd(key.Text, key))
            {
                Tell(key, name, $"stands twice; it was given in line {seen[key.Text].Line} already");
                continue;
            }

            ReadPair(section, name, key, value);
        }
    }

    private void ReadPair(string section, string name, ConfigurationNode key, ConfigurationNode value)
    {
        if (value.Kind == NodeKind.Refused)
        {
            return;
        }

        if (ConfigurationKeys.Find(name) is { } known)
        {
            ReadValue(known, value);
        }
        else if (name == ImageSection.Name)
        {
            Images = new ImageSection(file, problems).Read(value);
        }
        else if (name == ProfileSection.Name)
        {
            Profiles = new ProfileSection(file, problems).Read(value);
        }
        else if (name == TenantSection.Name)
        {
            Tenants = new TenantSection(file, problems).Read(value);
        }
        else if (name == PeerSection.Name)
        {
            Peers = new PeerSection(file, problems).Read(value);
        }
        else if (!ConfigurationKeys.IsSection(name))
        {
            TellUnknown(section, name, key);
        }
        else if (value.Kind == NodeKind.Mapping)
        {
            ReadSection(name, value);
        }
        else if (!value.SaysNothing)
        {
            Tell(value, name, $"is a section; write its keys below it: {string.Join(", ", ConfigurationKeys.NamesIn(name))}");
        }
    }

    private void ReadValue(ConfigurationKey key, ConfigurationNode node)
    {
        if (node.Kind != NodeKind.Scalar)
        {
            var what = node.Kind == NodeKind.Mapping ? "keys of its own" : "a list";
            problems.Add(new ConfigurationProblem(PlaceOf(node), key.Name, $"must be {key.Allowed}, not {what}") { Allowed = key.Allowed });
            return;
        }

        if (ValueReader.TryRead(key, node.SaysNothing ? string.Empty : node.Text, out var value) is { } reason)
        {
            problems.Add(new ConfigurationProblem(PlaceOf(node), key.Name, reason) { Allowed = key.Allowed });
            return;
        }

        Given.Add(new GivenValue(key, value, ConfigurationLayer.File, PlaceOf(node)));
    }

    private void TellUnknown(string section, string name, ConfigurationNode key)
    {
        var names = ConfigurationKeys.NamesIn(section);
        var nearest = NearestName.Of(key.Text, names) is { } near ? section.Length == 0 ? near : $"{section}.{near}"
            : ConfigurationKeys.All.FirstOrDefault(k => k.LeafName == key.Text)?.Name
            ?? NearestName.Of(name, ConfigurationKeys.All.Select(static k => k.Name));
        var where = section.Length == 0 ? "there are" : $"{section} has";
        problems.Add(new ConfigurationProblem(PlaceOf(key), ValueReader.Shortened(name), nearest is null
            ? $"no such key; {where}: {string.Join(", ", names)}"
            : $"no such key; did you mean '{nearest}'?")
        { Nearest = nearest, Allowed = string.Join(", ", names) });
    }

    private void Tell(ConfigurationNode node, string key, string reason) => problems.Add(new ConfigurationProblem(PlaceOf(node), key, reason));

    private ConfigurationPlace PlaceOf(ConfigurationNode node) => new(file, node.Line, node.Column);
}
