using System.Globalization;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Host.Configuration;

namespace Wayang.Fast.Host.Doctor;

/// <summary>The policy, the users that it gives to images, and whether a runtime answers already.</summary>
internal static class InstallationFacts
{
    private const string Group = "installation";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    public static async Task<IReadOnlyList<Finding>> AllAsync(Installation installation, string policyDirectory, string? socket, CancellationToken cancellation)
    {
        var policy = ProbeProgram.ReadPolicy(installation.NativeDirectory, policyDirectory);
        return [Policy(policy, policyDirectory), Users(policy), Socket(socket ?? SocketPaths.Own), await RuntimeAsync(socket ?? SocketPaths.Find(), cancellation)];
    }

    private static Finding Policy(PolicyFacts policy, string directory) => policy.Fault is { } fault
        ? new Finding(Group, "policy", Level.Missing, Required: true, fault, "the runtime cannot be started", $"Correct that file in {directory}; check it with: wayang doctor --only installation")
        : new Finding(Group, "policy", Level.Ok, Required: true, $"valid, with {string.Join(", ", policy.Profiles.Select(static p => p.Split(' ')[0]).Order(StringComparer.Ordinal))} in {directory}");

    /// <summary>Only a runtime of root gives its images users of their own.</summary>
    private static Finding Users(PolicyFacts policy)
    {
        if (policy.Fault is not null)
        {
            return new Finding(Group, "uid_range", Level.Unknown, Required: false, "the policy is not valid", "", "");
        }

        var end = policy.FirstUid + policy.UidCount;
        var range = string.Create(CultureInfo.InvariantCulture, $"{policy.FirstUid} to {end - 1}");
        var taken = Taken("/etc/passwd", 2, policy.FirstUid, end) ?? Delegated("/etc/subuid", policy.FirstUid, end) ?? Delegated("/etc/subgid", policy.FirstUid, end);
        return taken is null
            ? new Finding(Group, "uid_range", Level.Ok, Required: false, $"{range}, used by nobody else")
            : new Finding(
                Group, "uid_range", Level.Degraded, Required: false, $"{range}; {taken}", "an image of a runtime started as root would share a user with others",
                "Give policy.conf another uid_first, of a range that nobody else has.");
    }

    private static string? Taken(string path, int field, long first, long end)
    {
        foreach (var line in HostFacts.ReadLines(path))
        {
            var fields = line.Split(':');
            if (fields.Length > field && long.TryParse(fields[field], NumberStyles.None, CultureInfo.InvariantCulture, out var id) && id >= first && id < end)
            {
                return $"{path}: {fields[0]} has {fields[field]}";
            }
        }

        return null;
    }

    private static string? Delegated(string path, long first, long end)
    {
        foreach (var line in HostFacts.ReadLines(path))
        {
            var fields = line.Split(':');
            if (fields.Length == 3
                && long.TryParse(fields[1], NumberStyles.None, CultureInfo.InvariantCulture, out var start)
                && long.TryParse(fields[2], NumberStyles.None, CultureInfo.InvariantCulture, out var count)
                && start < end && first < start + count)
            {
                return $"{path}: {fields[0]} has {fields[1]} to {(start + count - 1).ToString(CultureInfo.InvariantCulture)}";
            }
        }

        return null;
    }

    private static Finding Socket(string path) => SocketPaths.Fits(path)
        ? new Finding(Group, "socket", Level.Ok, Required: true, path)
        : new Finding(
            Group, "socket", Level.Missing, Required: true, $"{path}: longer than the {SocketPaths.MaxBytes} bytes that a socket's path may have",
            "the runtime cannot be started", "Set XDG_RUNTIME_DIR to a shorter directory, or give: wayang serve --socket PATH");

    /// <summary>Told, not judged: none has to run, and one that does may be another's.</summary>
    private static async Task<Finding> RuntimeAsync(string path, CancellationToken cancellation)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(Patience);
        if (!SocketPaths.Fits(path) || !File.Exists(path))
        {
            return new Finding(Group, "runtime", Level.Ok, Required: false, $"none answers at {path}");
        }

        try
        {
            await using var client = await WayangClient.ConnectAsync(new WayangClientOptions { SocketPath = path }, patience.Token);
            var node = await client.NodeInfoAsync(patience.Token);
            var stats = await client.NodeStatsAsync(patience.Token);
            if (stats.TryGetValue("ledger_available", out var available) && available == 0)
            {
                return new Finding(
                    Group, "runtime", Level.Degraded, Required: false, $"version {node.Version} answers at {path}, and its ledger does not store: {node.Note}",
                    "durable tasks are refused, others run", "Do what the reason says; /readyz and the log tell when it stores again.");
            }

            return new Finding(Group, "runtime", Level.Ok, Required: false, $"version {node.Version} answers at {path}");
        }
        catch (WayangException refused)
        {
            return refused.Code == ErrorCode.Unavailable
                ? new Finding(Group, "runtime", Level.Ok, Required: false, $"none answers at {path}")
                : new Finding(Group, "runtime", Level.Degraded, Required: false, $"{path}: {refused.Message}", "commands find a runtime that is not for you", "Name your own with --socket PATH, or have yourself added to the group wayang.");
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return new Finding(Group, "runtime", Level.Degraded, Required: false, $"{path}: something listens and does not answer", "commands wait for it", "Look who it is: ss -xlp; stop it, or name another with --socket PATH.");
        }
    }
}
