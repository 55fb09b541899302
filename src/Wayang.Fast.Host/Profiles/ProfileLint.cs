using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Host.Profiles;

/// <summary>Warns of what makes a profile weaker than it looks.</summary>
internal static class ProfileLint
{
    private static readonly string[] Private = ["/root", "/home", "/etc/shadow", "/etc/ssh", "/var/lib", "/var/run", "/run", "/proc", "/sys", "/dev", "/boot", "/srv"];

    private static readonly (string Call, string Why)[] Sharp =
    [
        ("ptrace", "it reads and writes other processes of the task, and is a way around filters"),
        ("bpf", "it runs programs in the kernel"),
        ("io_uring_setup", "it runs system calls that no filter sees"),
        ("userfaultfd", "it widens races in the kernel"),
        ("mount", "a worker has no privilege to use it: a kernel fault would be needed, and found"),
        ("unshare", "new namespaces bring capabilities inside them, and much of the kernel's surface"),
        ("setns", "it enters other namespaces"),
        ("keyctl", "keys are not separated by namespaces"),
        ("perf_event_open", "it measures other processes"),
        ("open_by_handle_at", "it walks around path checks"),
    ];

    public static IEnumerable<string> Warnings(PolicyProfile profile, bool allowsHostNetwork)
    {
        foreach (var (call, why) in Sharp.Where(s => profile.Calls.Allows(s.Call)))
        {
            yield return $"{call} is allowed: {why}";
        }

        foreach (var path in profile.Paths.Select(static p => p.Path))
        {
            if (Private.FirstOrDefault(p => path == p || path.StartsWith(p + "/", StringComparison.Ordinal)) is { } private_)
            {
                yield return $"{path} is shown: what lies below {private_} is seldom meant for a stranger's code";
            }
        }

        if (profile.Network == "host")
        {
            yield return allowsHostNetwork
                ? "the host's network: loopback services, private networks and the metadata address are within reach of the task"
                : "the host's network, which this policy does not allow: tasks under this profile are refused (policy.conf: host_network 1)";
        }

        if (profile.Network == "granted")
        {
            foreach (var warning in profile.Destinations.SelectMany(Destinations))
            {
                yield return warning;
            }
        }

        if (profile.Network == "granted" && profile.Destinations.Count == 0)
        {
            yield return "network granted without a destination line: nothing can be granted";
        }

        if (profile.Calls.Allows("socket") && profile.Network == "none")
        {
            yield return "sockets may be opened in an empty network: the filter's surface is larger than it needs to be (remove socket, connect, bind)";
        }

        if (!profile.Calls.IsDangerous("ptrace") && !profile.Calls.Allows("ptrace"))
        {
            yield return "dangerous.syscalls is not included: attempts are refused, but nobody is told of them";
        }

        if (profile.Pids > 2048)
        {
            yield return "over 2048 processes: a fork bomb takes long to meet its bound";
        }
    }

    private static IEnumerable<string> Destinations(string text)
    {
        if (!Destination.TryParse(text, out var destination, out var why))
        {
            yield return why;
        }
        else if (destination!.Addresses is { } addresses && !Destination.IsPublic(addresses.BaseAddress))
        {
            yield return $"{text} may be granted: an address of the node's own network";
        }
        else if (destination.Host == "*" && destination.Port == 0)
        {
            yield return "*:* may be granted: any public address; who hands in a task decides where it connects to";
        }
    }
}
