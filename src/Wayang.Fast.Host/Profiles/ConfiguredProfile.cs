using Wayang.Fast.Execution.Isolation;
using Wayang.Fast.Host.Configuration;

namespace Wayang.Fast.Host.Profiles;

/// <summary>One entry of <c>profiles:</c>: what it says, and where.</summary>
public sealed record ConfiguredProfile(DerivedProfile Profile, ConfigurationPlace Place);

/// <summary>What a configured profile makes of the one that it inherits.</summary>
internal static class ProfileDerivation
{
    private static readonly string[] Levels = ["none", "loopback", "granted", "host"];

    /// <summary>The profile in force, and a sentence for each wish that is not tighter; the spawner refuses such a profile as a whole.</summary>
    public static PolicyProfile Apply(PolicyProfile basis, DerivedProfile wish, List<string> wider)
    {
        var network = wish.Network is { } level ? Levels[(int)level] : basis.Network;
        var paths = wish.Paths.Count == 0 ? basis.Paths : [.. wish.Paths.Select(p => new PolicyPath(p, basis.Paths.Any(b => b.Path == p && b.IsOptional)))];
        Check(wish.MemoryBytes, basis.Memory, "memory");
        Check(wish.TmpfsBytes, basis.Tmpfs, "tmpfs");
        Check(wish.FileBytes ?? 0, basis.FileSize, "file_size");
        Check(wish.Pids, basis.Pids, "pids");
        Check(wish.OpenFiles, basis.OpenFiles, "open_files");
        if (Array.IndexOf(Levels, network) > Array.IndexOf(Levels, basis.Network))
        {
            wider.Add($"network {network} is more than {basis.Name}'s {basis.Network}");
        }

        wider.AddRange(wish.Paths.Where(p => !basis.Paths.Any(b => p == b.Path || p.StartsWith(b.Path + "/", StringComparison.Ordinal)))
            .Select(p => $"path {p} is not among those of {basis.Name}, nor below one"));
        wider.AddRange(wish.DeniedCalls.Where(c => !basis.Calls.Allows(c)).Select(c => $"syscall {c} is not allowed by {basis.Name} anyway"));
        return basis with
        {
            Name = wish.Name,
            Inherits = wish.Base,
            Network = network,
            Destinations = network == "granted" ? wish.Destinations ?? basis.Destinations : [],
            Paths = paths,
            Memory = Less(wish.MemoryBytes, basis.Memory),
            Tmpfs = Less(wish.TmpfsBytes, basis.Tmpfs),
            FileSize = wish.FileBytes ?? basis.FileSize,
            Pids = (int)Less(wish.Pids, basis.Pids),
            OpenFiles = (int)Less(wish.OpenFiles, basis.OpenFiles),
            Calls = basis.Calls.Without(wish.DeniedCalls),
        };

        void Check(long wanted, long most, string what)
        {
            if (wanted > most)
            {
                wider.Add($"{what} {ValueReader.SizeText(wanted)} is more than {basis.Name}'s {ValueReader.SizeText(most)}");
            }
        }

        static long Less(long wanted, long most) => wanted == 0 ? most : wanted;
    }

    /// <summary>The policy's profiles and the configured ones by name; wishes that are not tighter in <paramref name="wider"/>, by profile.</summary>
    public static SortedDictionary<string, PolicyProfile> All(PolicyView policy, IReadOnlyList<ConfiguredProfile> configured, Dictionary<string, List<string>> wider)
    {
        var all = new SortedDictionary<string, PolicyProfile>(policy.Profiles.ToDictionary(static p => p.Key, static p => p.Value, StringComparer.Ordinal), StringComparer.Ordinal);
        foreach (var wish in configured.Select(static c => c.Profile))
        {
            var faults = new List<string>();
            if (all.ContainsKey(wish.Name))
            {
                faults.Add("the name is one of the policy's own profiles");
            }
            else if (all.TryGetValue(wish.Base, out var basis))
            {
                all[wish.Name] = Apply(basis, wish, faults);
            }
            else
            {
                faults.Add($"the policy has no profile {wish.Base} to inherit");
            }

            if (faults.Count > 0)
            {
                wider[wish.Name] = faults;
            }
        }

        return all;
    }
}
