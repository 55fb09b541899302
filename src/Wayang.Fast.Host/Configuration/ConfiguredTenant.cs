using System.Globalization;
using System.Text;

using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Admission;

namespace Wayang.Fast.Host.Configuration;

/// <summary>One entry of <c>tenants:</c>.</summary>
/// <param name="Policy">What it may have; of the entry '*' id and name stand for nothing.</param>
/// <param name="IsOthers">The entry '*': all tenants that have none of their own.</param>
/// <param name="Place">Where it stands.</param>
public sealed record ConfiguredTenant(TenantPolicy Policy, bool IsOthers, ConfigurationPlace Place)
{
    /// <summary>What users have for whom nothing is said: work, and the care for it.</summary>
    public const OperationScopes DefaultScopes = OperationScopes.Work | OperationScopes.Operate;

    /// <summary>What its users may do over the unix sockets; of the entry '*': the members of the group wayang whom no tenant has.</summary>
    public OperationScopes Scopes { get; init; } = DefaultScopes;

    public string Name => IsOthers ? TenantSection.Others : Policy.Name;

    /// <summary>All that it says, as one line: for people, and to see what a reload changed.</summary>
    public string Terms
    {
        get
        {
            var text = new StringBuilder();
            if (!IsOthers)
            {
                text.Append(CultureInfo.InvariantCulture, $"id {Policy.Id}, ");
            }

            text.Append(CultureInfo.InvariantCulture, $"weight {Policy.Share.Weight}");
            Add(text, "max_running", Policy.Share.MaxRunning == 0 ? null : Policy.Share.MaxRunning.ToString(CultureInfo.InvariantCulture));
            Add(text, "max_queued", Policy.MaxQueued == 0 ? null : Policy.MaxQueued.ToString(CultureInfo.InvariantCulture));
            Add(text, "max_queued_bytes", Policy.MaxQueuedBytes == 0 ? null : ValueReader.SizeText(Policy.MaxQueuedBytes));
            Add(text, "highest_class", Policy.HighestClass == TaskClass.Urgent ? null : WireNames.Text(Policy.HighestClass));
            Add(text, "connect", Policy.Connect is not { } connect ? null : connect.Count == 0 ? "nothing" : string.Join(' ', connect));
            Add(text, "users", Policy.Users.Count == 0 ? null : string.Join(' ', Policy.Users));
            Add(text, "scopes", Scopes == DefaultScopes ? null : ScopeNames.Text(Scopes));
            return text.ToString();
        }
    }

    /// <summary>What differs between two readings of the section, one line a tenant.</summary>
    public static IEnumerable<string> Changes(IReadOnlyList<ConfiguredTenant> before, IReadOnlyList<ConfiguredTenant> after)
    {
        foreach (var gone in before.Where(b => after.All(a => a.Name != b.Name)))
        {
            yield return $"tenant '{gone.Name}' is no longer configured; it has the terms of all others now";
        }

        foreach (var tenant in after)
        {
            var was = before.FirstOrDefault(b => b.Name == tenant.Name)?.Terms;
            if (was != tenant.Terms)
            {
                yield return $"tenant '{tenant.Name}': {was ?? "(new)"} -> {tenant.Terms}";
            }
        }
    }

    private static void Add(StringBuilder text, string key, string? value)
    {
        if (value is not null)
        {
            text.Append(CultureInfo.InvariantCulture, $", {key} {value}");
        }
    }
}
