namespace Wayang.Fast.Host.Doctor;

/// <summary>What remedies depend on.</summary>
/// <param name="GroupVersion">"v1", "v2", "hybrid" or anything else for none.</param>
internal sealed record HostNature(bool IsRoot, string GroupVersion);

/// <summary>Remedies that depend on what was found.</summary>
internal static class Remedies
{
    /// <summary>Stands for the right one of several.</summary>
    public const string UserNamespaces = "<user namespaces>";

    public const string Groups = "<groups>";

    public static string Resolve(string remedy, string value, HostNature host) => remedy switch
    {
        UserNamespaces => OfUserNamespaces(value),
        Groups => OfGroups(value, host),
        _ => remedy,
    };

    private static string OfUserNamespaces(string value)
    {
        if (value.Contains("unprivileged_userns_clone 0", StringComparison.Ordinal))
        {
            return "sysctl -w kernel.unprivileged_userns_clone=1";
        }

        if (value.Contains("max_user_namespaces 0", StringComparison.Ordinal))
        {
            return "sysctl -w user.max_user_namespaces=15000";
        }

        return value.Contains("apparmor_restrict_unprivileged_userns 1", StringComparison.Ordinal)
            ? "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
            : "In a container: start it with --privileged, or with --security-opt seccomp=unconfined --cap-add SYS_ADMIN.";
    }

    private static string OfGroups(string value, HostNature host)
    {
        if (value.StartsWith("no ", StringComparison.Ordinal))
        {
            return host.GroupVersion == "v2"
                ? "The group above has to hand the controller down: start the runtime by a unit with Delegate=yes."
                : "Boot with systemd.unified_cgroup_hierarchy=1 (version 2), or mount the controller of version 1.";
        }

        return (value.StartsWith("v2", StringComparison.Ordinal), host.IsRoot) switch
        {
            (true, true) => "systemd-run --scope -p Delegate=yes wayang serve",
            (true, false) => "systemd-run --user --scope -p Delegate=yes wayang serve",
            (false, true) => "Mount the hierarchies of version 1 writable (in a container: --privileged).",
            (false, false) => "Start the runtime as root: sudo wayang serve (its daemon is never root).",
        };
    }
}
