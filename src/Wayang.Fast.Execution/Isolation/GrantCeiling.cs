using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Admission;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Execution.Isolation;

/// <summary>The most that a profile, and a tenant, let tasks be granted: both must.</summary>
internal static class GrantCeiling
{
    /// <summary>Null when all of it may be granted.</summary>
    public static OperationError? Refuse(IReadOnlyList<ProfileDescription> profiles, string name, TaskGrants grants)
    {
        if (profiles.FirstOrDefault(p => p.Name == name) is not { } profile)
        {
            return new OperationError(ErrorCode.Unavailable, "no spawner has told yet what may be granted", "grants", 100);
        }

        if (profile.Network != "granted")
        {
            var granting = string.Join(", ", profiles.Where(static p => p.Network == "granted").Select(static p => p.Name));
            return new OperationError(
                ErrorCode.PermissionDenied,
                $"profile {name} has network {profile.Network}, where no destination is granted; use {(granting.Length == 0 ? "a policy with a profile that says: network granted" : granting)}",
                "grants");
        }

        foreach (var wanted in grants.Connect)
        {
            if (!Ceiling(profiles, profile).All(level => level.Any(most => most.Covers(wanted))))
            {
                return new OperationError(
                    ErrorCode.PermissionDenied,
                    $"connect={wanted} is more than profile {name} lets tasks be granted: {string.Join(", ", profile.Destinations)}{(wanted.Addresses is { } a && !Destination.IsPublic(a.BaseAddress) ? " (an address that is not of the internet needs a line of its own)" : string.Empty)}",
                    "grants");
            }
        }

        return null;
    }

    /// <summary>The same for the tenant whose task it is.</summary>
    public static OperationError? Refuse(TenantPolicy tenant, TaskGrants grants) =>
        tenant.Connect is { } most && grants.Connect.FirstOrDefault(wanted => !most.Any(m => m.Covers(wanted))) is { } tooMuch
            ? new OperationError(
                ErrorCode.PermissionDenied,
                $"connect={tooMuch} is more than tenant {tenant.Name} may be granted: {(most.Count == 0 ? "nothing" : string.Join(", ", most))} (tenants: connect)",
                "grants")
            : null;

    /// <summary>The profile's own and those of what it inherits: each must cover, so that a wider list of a configuration gains nothing.</summary>
    private static IEnumerable<List<Destination>> Ceiling(IReadOnlyList<ProfileDescription> profiles, ProfileDescription profile)
    {
        for (var at = profile; at is not null; at = profiles.FirstOrDefault(p => p.Name == at.Inherits))
        {
            var level = new List<Destination>();
            foreach (var text in at.Destinations)
            {
                if (Destination.TryParse(text, out var destination, out _))
                {
                    level.Add(destination!);
                }
            }

            yield return level;
        }
    }
}
