using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Execution.Isolation;

/// <summary>What the spawner's policy lets tasks choose from; told in WELCOME.</summary>
internal static class PolicyProfiles
{
    /// <summary>
    /// Null when a task of this kind may run under the profile. An empty list (no spawner has answered yet) allows every name:
    /// the spawner, whose policy it is, refuses what it does not know.
    /// </summary>
    public static OperationError? Refuse(IReadOnlyList<ProfileDescription> profiles, string name, TaskKind kind)
    {
        if (profiles.Count == 0)
        {
            return null;
        }

        var wanted = WireNames.Text(kind);
        foreach (var profile in profiles)
        {
            if (string.Equals(profile.Name, name, StringComparison.Ordinal))
            {
                return profile.Kinds.Contains(wanted, StringComparer.Ordinal) ? null : new OperationError(
                    ErrorCode.InvalidArgument,
                    $"a command cannot run under profile {name} (it may open no file); use {Join(profiles.Where(p => p.Kinds.Contains(wanted, StringComparer.Ordinal)))}",
                    "profile");
            }
        }

        var nearest = NearestName.Of(name, profiles.Select(static p => p.Name));
        return new OperationError(
            ErrorCode.InvalidArgument,
            $"profile '{name}' is not known; {(nearest is null ? string.Empty : $"did you mean {nearest}? ")}this node's policy has {Join(profiles)}",
            "profile");
    }

    /// <summary>Sorted by name, as they are shown.</summary>
    public static ProfileDescription[] Describe(IEnumerable<ToldProfile> told) =>
    [
        .. told.OrderBy(static p => p.Name, StringComparer.Ordinal).Select(static p => new ProfileDescription(
            p.Name, p.HasFiles, p.HasOwnRoot, p.HasFiles ? [WireNames.Text(TaskKind.Call), WireNames.Text(TaskKind.Exec)] : [WireNames.Text(TaskKind.Call)])
            {
                Most = p.Most,
            }),
    ];

    private static string Join(IEnumerable<ProfileDescription> profiles) => string.Join(", ", profiles.Select(static p => p.Name));
}

/// <summary>A profile as WELCOME says it.</summary>
internal readonly record struct ToldProfile(string Name, bool HasFiles, bool HasOwnRoot, ProfileLimits Most);
