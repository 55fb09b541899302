using System.Globalization;

using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Admission;
using Wayang.Fast.Core.Scheduling;

namespace Wayang.Fast.Host.Configuration;

/// <summary>
/// Reads <c>tenants:</c>, a list of {name, id?, weight?, max_running?, max_queued?, max_queued_bytes?, highest_class?, connect?, users?, scopes?}; the entry
/// named '*' is what all others have.
/// </summary>
internal sealed class TenantSection(string file, List<ConfigurationProblem> problems)
{
    public const string Name = "tenants";

    /// <summary>The name of the entry for all others.</summary>
    public const string Others = "*";

    public const int MaxTenants = 1024;
    private const int MaxUsers = 256;
    private const int MaxDestinations = 256;
    private const int MaxName = 63;
    private const string DefaultTenant = "default";

    private static readonly string[] Keys = ["name", "id", "weight", "max_running", "max_queued", "max_queued_bytes", "highest_class", "connect", "users", "scopes"];
    private static readonly string[] Classes = [.. new[] { TaskClass.Urgent, TaskClass.Normal, TaskClass.Batch, TaskClass.Idle }.Select(WireNames.Text)];

    private readonly Lazy<IReadOnlyDictionary<string, uint>> users = new(SystemUsers.Read);

    public IReadOnlyList<ConfiguredTenant> Read(ConfigurationNode node)
    {
        if (node.SaysNothing)
        {
            return [];
        }

        if (node.Kind != NodeKind.Sequence || node.Items.Count > MaxTenants)
        {
            Tell(node, Name, string.Create(CultureInfo.InvariantCulture, $"must be a list of at most {MaxTenants} tenants; write each as '- {{name: research, weight: 200}}'"));
            return [];
        }

        var tenants = new List<ConfiguredTenant>();
        for (var i = 0; i < node.Items.Count; i++)
        {
            var label = string.Create(CultureInfo.InvariantCulture, $"{Name}[{i}]");
            if (ReadTenant(label, node.Items[i]) is { } tenant && IsAlone(label, tenant, tenants))
            {
                tenants.Add(tenant);
            }
        }

        return tenants;
    }

    /// <summary>Nothing that tells tenants apart may stand twice.</summary>
    private bool IsAlone(string label, ConfiguredTenant tenant, List<ConfiguredTenant> tenants)
    {
        string? Twice(ConfiguredTenant other) =>
            other.Name == tenant.Name ? $"the name '{tenant.Name}' stands twice"
            : other.IsOthers || tenant.IsOthers ? null
            : other.Policy.Id == tenant.Policy.Id ? string.Create(CultureInfo.InvariantCulture, $"its id {tenant.Policy.Id} is that of '{other.Name}', too; give one of them another id (0 to {TenantPolicy.MaxId})")
            : other.Policy.Users.Intersect(tenant.Policy.Users).Select(static u => (uint?)u).FirstOrDefault() is { } user
                ? string.Create(CultureInfo.InvariantCulture, $"the user {user} is of '{other.Name}' already, and can be of one tenant only")
            : null;

        foreach (var other in tenants)
        {
            if (Twice(other) is { } reason)
            {
                problems.Add(new ConfigurationProblem(tenant.Place, label, $"{reason}; the first is at {other.Place}"));
                return false;
            }
        }

        return true;
    }

    private ConfiguredTenant? ReadTenant(string label, ConfigurationNode node)
    {
        if (node.Kind != NodeKind.Mapping)
        {
            Tell(node, label, "must be keys and values: {name: research, weight: 200}");
            return null;
        }

        var before = problems.Count;
        var values = new EntryKeys(file, "a tenant", Keys, problems).Values(label, node);
        if (ReadName(label, values, node) is not { } name)
        {
            return null;
        }

        var isOthers = name == Others;
        foreach (var (key, value) in values.Where(v => isOthers && (v.Key is "id" or "users")))
        {
            Tell(value, $"{label}.{key}", "is of one tenant; leave it out of the entry '*', which is all others");
        }

        var id = Number(label, values, "id", KeyKind.Number, 0, TenantPolicy.MaxId) ?? IdOf(name);
        var policy = new TenantPolicy((int)id, name)
        {
            Share = new TenantShare(
                (int)(Number(label, values, "weight", KeyKind.Number, TenantShare.MinWeight, TenantShare.MaxWeight) ?? TenantShare.DefaultWeight),
                (int)(Number(label, values, "max_running", KeyKind.Number, 1, 1_000_000) ?? 0)),
            MaxQueued = (int)(Number(label, values, "max_queued", KeyKind.Number, 1, 100_000_000) ?? 0),
            MaxQueuedBytes = Number(label, values, "max_queued_bytes", KeyKind.Size, 1, 1L << 40) ?? 0,
            HighestClass = ReadClass(label, values),
            Connect = ReadDestinations(label, values),
            Users = ReadUsers(label, values),
        };
        var scopes = ReadScopes(label, values);
        return problems.Count > before ? null : new ConfiguredTenant(policy, isOthers, PlaceOf(node)) { Scopes = scopes };
    }

    /// <summary>
    /// Of a tenant without one: made of its name, so that it stays whatever else is configured (tokens, and what runs, know tenants by it).
    /// FNV-1a; two names that meet are told.
    /// </summary>
    internal static int IdOf(string name) => name == DefaultTenant ? 0 : 1 + (int)(name.Aggregate(2_166_136_261u, static (hash, c) => (hash ^ c) * 16_777_619u) % TenantPolicy.MaxId);

    private string? ReadName(string label, Dictionary<string, ConfigurationNode> values, ConfigurationNode tenant)
    {
        if (!values.TryGetValue("name", out var node))
        {
            Tell(tenant, label, "has no name");
            return null;
        }

        if (node.Kind != NodeKind.Scalar || (node.Text != Others && !IsName(node.Text)))
        {
            Tell(node, label + ".name", $"must be 1 to {MaxName} of A-Z a-z 0-9 . _ -, not digits alone, or '*' for all others, not '{ValueReader.Shortened(node.Text)}'");
            return null;
        }

        return node.Text;
    }

    private static bool IsName(string text) =>
        text.Length is > 0 and <= MaxName && text.All(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-') && !text.All(char.IsAsciiDigit);

    private TaskClass ReadClass(string label, Dictionary<string, ConfigurationNode> values)
    {
        if (!values.TryGetValue("highest_class", out var node) || node.Kind == NodeKind.Refused)
        {
            return TaskClass.Urgent;
        }

        if (node.Kind == NodeKind.Scalar && Classes.Contains(node.Text, StringComparer.Ordinal) && WireNames.TryParse<TaskClass>(node.Text, out var highest))
        {
            return highest;
        }

        var nearest = NearestName.Of(node.Text, Classes);
        var list = string.Join(", ", Classes);
        problems.Add(new ConfigurationProblem(
            PlaceOf(node), label + ".highest_class", $"must be one of {list}, not '{ValueReader.Shortened(node.Text)}'{(nearest is null ? string.Empty : $"; did you mean {nearest}?")}")
        { Allowed = list, Nearest = nearest });
        return TaskClass.Urgent;
    }

    private List<Destination>? ReadDestinations(string label, Dictionary<string, ConfigurationNode> values)
    {
        if (!values.TryGetValue("connect", out var node) || node.Kind == NodeKind.Refused)
        {
            return null;
        }

        if (node.Kind != NodeKind.Sequence || node.Items.Count > MaxDestinations)
        {
            Tell(node, label + ".connect", $"must be a list of at most {MaxDestinations} destinations as profiles have them: ['*.example.org:443', 10.0.0.0/8:5432]; [] grants nothing");
            return null;
        }

        var found = new List<Destination>();
        foreach (var item in node.Items)
        {
            var why = "is no destination";
            if (item.Kind == NodeKind.Scalar && Destination.TryParse(item.Text, out var destination, out why))
            {
                found.Add(destination!);
                continue;
            }

            Tell(item, label + ".connect", $"'{(item.Kind == NodeKind.Scalar ? ValueReader.Shortened(item.Text) : "...")}': {why}");
        }

        return found;
    }

    private IReadOnlyList<uint> ReadUsers(string label, Dictionary<string, ConfigurationNode> values)
    {
        if (!values.TryGetValue("users", out var node) || node.SaysNothing || node.Kind == NodeKind.Refused)
        {
            return [];
        }

        if (node.Kind != NodeKind.Sequence || node.Items.Count > MaxUsers)
        {
            Tell(node, label + ".users", $"must be a list of at most {MaxUsers} users, by name or uid: [alice, 1002]");
            return [];
        }

        var found = new List<uint>();
        foreach (var item in node.Items)
        {
            if (item.Kind == NodeKind.Scalar && (uint.TryParse(item.Text, NumberStyles.None, CultureInfo.InvariantCulture, out var uid) || users.Value.TryGetValue(item.Text, out uid)))
            {
                found.Add(uid);
                continue;
            }

            var nearest = item.Kind == NodeKind.Scalar ? NearestName.Of(item.Text, users.Value.Keys) : null;
            problems.Add(new ConfigurationProblem(
                PlaceOf(item), label + ".users", $"no user '{ValueReader.Shortened(item.Text)}' in {SystemUsers.File}; {(nearest is null ? "write the uid of a user that stands elsewhere" : $"did you mean '{nearest}'?")}")
            { Nearest = nearest });
        }

        return [.. found.Distinct()];
    }

    private OperationScopes ReadScopes(string label, Dictionary<string, ConfigurationNode> values)
    {
        if (!values.TryGetValue("scopes", out var node) || node.Kind == NodeKind.Refused)
        {
            return ConfiguredTenant.DefaultScopes;
        }

        var scopes = OperationScopes.None;
        if (node.Kind != NodeKind.Sequence || node.Items.Count == 0)
        {
            Tell(node, label + ".scopes", $"must be a list of some of {string.Join(", ", ScopeNames.All)}: [read, submit]");
            return scopes;
        }

        foreach (var item in node.Items)
        {
            if (item.Kind == NodeKind.Scalar && ScopeNames.TryParse(item.Text, out var scope))
            {
                scopes |= scope;
                continue;
            }

            var nearest = item.Kind == NodeKind.Scalar ? NearestName.Of(item.Text, ScopeNames.All) : null;
            var list = string.Join(", ", ScopeNames.All);
            problems.Add(new ConfigurationProblem(
                PlaceOf(item), label + ".scopes", $"must be some of {list}, not '{(item.Kind == NodeKind.Scalar ? ValueReader.Shortened(item.Text) : "...")}'{(nearest is null ? string.Empty : $"; did you mean {nearest}?")}")
            { Allowed = list, Nearest = nearest });
        }

        return scopes;
    }

    private long? Number(string label, Dictionary<string, ConfigurationNode> values, string key, KeyKind kind, long minimum, long maximum)
    {
        if (!values.TryGetValue(key, out var node) || node.Kind == NodeKind.Refused)
        {
            return null;
        }

        var rule = new ConfigurationKey($"{label}.{key}", kind, string.Empty) { Minimum = minimum, Maximum = maximum };
        var value = default(ConfigurationValue);
        var reason = node.Kind == NodeKind.Scalar ? ValueReader.TryRead(rule, node.Text, out value) : $"must be {rule.Allowed}";
        if (reason is not null)
        {
            problems.Add(new ConfigurationProblem(PlaceOf(node), rule.Name, reason) { Allowed = rule.Allowed });
            return null;
        }

        return value.Number;
    }

    private void Tell(ConfigurationNode node, string key, string reason) => problems.Add(new ConfigurationProblem(PlaceOf(node), key, reason));

    private ConfigurationPlace PlaceOf(ConfigurationNode node) => new(file, node.Line, node.Column);
}
