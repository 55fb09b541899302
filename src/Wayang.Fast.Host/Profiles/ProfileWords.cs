using System.Globalization;

using Wayang.Fast.Host.Configuration;

namespace Wayang.Fast.Host.Profiles;

/// <summary>Says in words what a profile lets its workers do, and what it does not.</summary>
internal static class ProfileWords
{
    public static IEnumerable<string> Can(PolicyProfile profile)
    {
        if (profile.HasFiles)
        {
            yield return profile.Root is { } root
                ? $"read and execute the files of {root}, which is its root"
                : $"read and execute {string.Join(", ", profile.Paths.Select(static p => p.IsOptional ? p.Path + " (where there)" : p.Path))} of the host";
            yield return profile.FileSize == 0
                ? $"create empty files in /tmp of its own ({ValueReader.SizeText(profile.Tmpfs)}, gone with the task)"
                : $"write in /tmp of its own ({ValueReader.SizeText(profile.Tmpfs)}, gone with the task), up to {ValueReader.SizeText(profile.FileSize)} a file, and to /dev/null, zero, full, random and urandom";
        }

        if (profile.Calls.Allows("execve") && profile.HasFiles)
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"start programs, with up to {profile.Pids} processes and threads");
        }

        yield return string.Create(CultureInfo.InvariantCulture, $"use {ValueReader.SizeText(profile.Memory)} of memory and {profile.OpenFiles} descriptors");
        yield return $"make {profile.Calls.Allowed.Count()} of the kernel's system calls";
        if (Network(profile) is { } network)
        {
            yield return network;
        }
    }

    public static IEnumerable<string> Cannot(PolicyProfile profile)
    {
        yield return profile.HasFiles ? "see or write any other file of the host" : "open any file: its root is empty";
        if (!profile.Calls.Allows("socket"))
        {
            yield return "open sockets of any kind";
        }
        else if (profile.Network != "host")
        {
            yield return profile.Network switch
            {
                "granted" => "reach any address but its own loopback by itself: no route leads out, what is granted goes through the node's proxy, names are resolved there, and UDP, raw sockets and listening for others are out",
                "loopback" => "reach anything but its own loopback: no route leads out",
                _ => "reach anything by its sockets, not even a loopback",
            };
        }

        if (!profile.Calls.Allows("clone") || profile.Pids == 1)
        {
            yield return "start processes or threads";
        }

        yield return "see, signal or trace processes other than its own, gain privileges (no capability, no setuid), or make namespaces";
        var dangerous = profile.Calls.Rules.Count(static r => r.Action == "notify");
        if (dangerous > 0)
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"try any of {dangerous} dangerous calls (ptrace, mount, bpf, io_uring, ...): that ends it as sandbox_violation");
        }
    }

    /// <summary>What a profile may do that another may not; empty when it is as strong or stronger.</summary>
    public static IEnumerable<string> WeakerThan(PolicyProfile profile, PolicyProfile other)
    {
        if (profile.HasFiles && !other.HasFiles)
        {
            yield return "it has files";
        }

        var paths = profile.Paths.Where(p => !other.Paths.Any(o => p.Path == o.Path || p.Path.StartsWith(o.Path + "/", StringComparison.Ordinal))).Select(static p => p.Path).ToList();
        if (profile.HasFiles && other.HasFiles && profile.Root is null && paths.Count > 0)
        {
            yield return $"it shows {string.Join(", ", paths)}";
        }

        if (Rank(profile.Network) > Rank(other.Network))
        {
            yield return profile.Network switch
            {
                "host" => "it is in the network of the host",
                "granted" => $"its tasks may be granted connections to {string.Join(", ", profile.Destinations)}",
                _ => "it has a loopback",
            };
        }

        var calls = profile.Calls.Allowed.Where(c => !other.Calls.Allows(c)).Order(StringComparer.Ordinal).ToList();
        if (calls.Count > 0)
        {
            yield return $"it may call {string.Join(", ", calls.Take(8))}{(calls.Count > 8 ? string.Create(CultureInfo.InvariantCulture, $" and {calls.Count - 8} more") : "")}";
        }

        if (profile.Pids > other.Pids || profile.Memory > other.Memory || profile.Tmpfs > other.Tmpfs || profile.FileSize > other.FileSize || profile.OpenFiles > other.OpenFiles)
        {
            yield return "its limits are higher";
        }
    }

    private static string? Network(PolicyProfile profile) => profile.Network switch
    {
        "loopback" => "speak TCP and UDP with itself, over a loopback of its own",
        "granted" => $"speak with itself over a loopback of its own, and connect over TCP to what the task was granted, at most: {string.Join(", ", profile.Destinations)}",
        "host" => "reach whatever this machine reaches, its loopback services and its metadata address included",
        _ => null,
    };

    private static int Rank(string network) => network switch { "host" => 3, "granted" => 2, "loopback" => 1, _ => 0 };
}
