using System.Globalization;

using Wayang.Fast.Execution.Isolation;

namespace Wayang.Fast.Host.Configuration;

/// <summary>
/// What a configuration says, from all its sources: command line over environment over file over defaults. Has either problems or
/// settings that can be used.
/// </summary>
public sealed class NodeConfiguration
{
    private readonly Dictionary<string, GivenValue> effective = new(StringComparer.Ordinal);
    private readonly List<ConfigurationProblem> problems = [];

    private NodeConfiguration(ConfigurationInput input) => Input = input;

    public ConfigurationInput Input { get; }

    public IReadOnlyList<ConfigurationProblem> Problems => problems;

    /// <summary>What was given and is not active yet, one line each.</summary>
    public IReadOnlyList<ConfigurationProblem> Notices { get; private set; } = [];

    public FileSettings Settings { get; private set; } = new();

    public bool SaysNothing => effective.Count == 0 && Settings.Images.Count == 0 && Settings.Profiles.Count == 0 && Settings.Tenants.Count == 0 && Settings.Peers.Count == 0;

    /// <summary>Reads everything and collects all that is wrong.</summary>
    public static NodeConfiguration Of(ConfigurationInput input)
    {
        var configuration = new NodeConfiguration(input);
        configuration.Load();
        return configuration;
    }

    /// <exception cref="ConfigurationException">Something is wrong; all of it is told.</exception>
    public NodeConfiguration OrThrow() => problems.Count == 0 ? this : throw new ConfigurationException(problems);

    /// <summary>Who gave the value of a setting; null: the default is in force.</summary>
    public GivenValue? SourceOf(ConfigurationKey key) => effective.GetValueOrDefault(key.Name);

    /// <summary>The value in force as it would be written; null where nothing is in force.</summary>
    public string? TextOf(ConfigurationKey key) => key.Read is { } read ? read(Settings) : SourceOf(key)?.Value.Text;

    private void Load()
    {
        var given = new List<GivenValue>();
        IReadOnlyList<ConfiguredImage> images = [];
        IReadOnlyList<Profiles.ConfiguredProfile> profiles = [];
        IReadOnlyList<ConfiguredTenant> tenants = [];
        IReadOnlyList<ConfiguredPeer> peers = [];
        if (Input.Text is { } text)
        {
            var reader = new ConfigurationReader(Input.Path ?? "configuration", problems);
            reader.Read(text);
            given.AddRange(reader.Given);
            images = reader.Images;
            profiles = reader.Profiles;
            tenants = reader.Tenants;
            peers = reader.Peers;
        }

        given.AddRange(EnvironmentOverrides.Read(Input.Environment, problems));
        if (Input.Socket is { } socket && ConfigurationKeys.Find("socket") is { } key)
        {
            given.Add(new GivenValue(key, new ConfigurationValue(0, socket), ConfigurationLayer.CommandLine, ConfigurationPlace.CommandLine("--socket")));
        }

        Merge(given);
        var settings = effective.Values.Aggregate(
            new FileSettings(),
            static (s, g) => SettingOf(g).Apply is { } apply ? apply(s, g.Key.SameAs is null ? g.Value : g.Value with { Number = g.SettingNumber }) : s);
        Settings = images.Count == 0 ? settings : settings with { Images = images };
        var roots = images.Select(static i => i.RootProfile).OfType<DerivedProfile>().ToList();
        Settings = profiles.Count == 0 && roots.Count == 0
            ? Settings
            : Settings with { Profiles = profiles, Runtime = Settings.Runtime with { Profiles = [.. profiles.Select(static p => p.Profile), .. roots] } };
        Settings = tenants.Count == 0 ? Settings : Settings with { Tenants = tenants, Runtime = WithTenants(Settings.Runtime, tenants) };
        Settings = peers.Count == 0 ? Settings : Settings with { Peers = peers };
        CheckTimeouts();
        CheckTcp();
        CheckPeers();
        Notices = [.. given.Where(static g => g.Key.Later is not null)
            .Select(static g => new ConfigurationProblem(g.Place, g.Key.Name, $"is read and checked, but not active yet; it will be served by {g.Key.Later}"))];
    }

    private static Execution.RuntimeOptions WithTenants(Execution.RuntimeOptions runtime, IReadOnlyList<ConfiguredTenant> tenants) => runtime with
    {
        Tenants = [.. tenants.Where(static t => !t.IsOthers).Select(static t => t.Policy)],
        OtherTenants = tenants.FirstOrDefault(static t => t.IsOthers)?.Policy ?? runtime.OtherTenants,
    };

    /// <summary>Later layers go before earlier ones, whichever of its names a setting is given by; in one layer two names must agree.</summary>
    private void Merge(List<GivenValue> given)
    {
        foreach (var layer in given.GroupBy(static g => g.Layer).OrderBy(static l => l.Key))
        {
            foreach (var setting in layer.GroupBy(static g => g.Key.Setting, StringComparer.Ordinal))
            {
                var values = setting.ToList();
                if (values.Exists(v => v.SettingNumber != values[0].SettingNumber))
                {
                    var last = values[^1];
                    problems.Add(new ConfigurationProblem(
                        last.Place, last.Key.Name,
                        string.Create(CultureInfo.InvariantCulture, $"is {last.Value.Text}, but {values[0].Place} says '{values[0].Key.Name}' {values[0].Value.Text}: both set {setting.Key}; keep one")));
                }

                effective[setting.Key] = values[0];
            }
        }
    }

    private void CheckTimeouts()
    {
        var runtime = Settings.Runtime;
        if (runtime.DefaultTimeoutMs <= runtime.MaxTimeoutMs)
        {
            return;
        }

        var longest = effective.GetValueOrDefault("limits.max_timeout_ms");
        var usual = effective.GetValueOrDefault("limits.default_timeout_ms");
        var place = (usual ?? longest)!.Place;
        var key = usual?.Key.Name ?? "limits.default_timeout_ms";
        problems.Add(new ConfigurationProblem(place, key, string.Create(
            CultureInfo.InvariantCulture,
            $"must not exceed limits.max_timeout_ms: {runtime.DefaultTimeoutMs} ms{(usual is null ? " (the default)" : "")} is more than {runtime.MaxTimeoutMs} ms{(longest is null ? " (the default)" : $" ({longest.Place})")}")));
    }

    private void CheckTcp()
    {
        Tell("rpc_tcp", Settings.RpcTcp.Fault(Settings.Peers.Count > 0));
        Tell("grpc", Settings.Grpc.Fault("grpc", Settings.RpcTcp.TokensFile));
        Tell("rest", Settings.Rest.Fault("rest", Settings.RpcTcp.TokensFile));
        if (Settings.Tls.Fault() is { } incomplete)
        {
            var given = effective.First(static e => e.Key.StartsWith("tls.", StringComparison.Ordinal)).Value;
            problems.Add(new ConfigurationProblem(given.Place, incomplete.Key, incomplete.Reason));
        }

        void Tell(string section, (string Key, string Reason)? wrong)
        {
            if (wrong is { } fault)
            {
                var given = effective.GetValueOrDefault(fault.Key) ?? effective[section + ".address"];
                problems.Add(new ConfigurationProblem(given.Place, fault.Key, fault.Reason));
            }
        }
    }

    /// <summary>Nodes come to each other over TCP, and show certificates: without those there are no peers.</summary>
    private void CheckPeers()
    {
        foreach (var peer in Settings.Peers)
        {
            if (string.Equals(peer.Name, Settings.Runtime.NodeName, StringComparison.Ordinal))
            {
                problems.Add(new ConfigurationProblem(peer.Place, "node.name", $"is '{peer.Name}', too: a node is no peer of its own; give each node a name of its own"));
            }
        }

        if (Settings.Peers.Count == 0)
        {
            return;
        }

        (string Key, bool IsThere, string Why)[] needed =
        [
            ("rpc_tcp.address", Settings.RpcTcp.Address is not null, "the peers come to it"),
            ("tls.certificate_file", Settings.Tls.CertificateFile is not null, "it is shown to the peers; make one with 'wayang cert issue NAME --peer'"),
            ("tls.client_ca_file", Settings.Tls.ClientAuthorityFile is not null, "it is the authority whose certificates the peers show"),
        ];
        foreach (var (key, _, why) in needed.Where(static n => !n.IsThere))
        {
            problems.Add(new ConfigurationProblem(Settings.Peers[0].Place, key, $"is needed beside peers: {why}"));
        }
    }

    private static ConfigurationKey SettingOf(GivenValue given) => given.Key.SameAs is { } name ? ConfigurationKeys.Find(name)! : given.Key;
}
