using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Isolation;
using Wayang.Fast.Execution.Spawner;

namespace Wayang.Fast.Execution.Supervision;

/// <summary>Defines the configured profiles at each spawner, and keeps what is known of all. Supervisor thread only.</summary>
internal sealed class ProfileKeeper(SpawnerLink link, LiveOptions options)
{
    // Far from the ids of images and workers, which count up from 1.
    private const ulong FirstRequest = 1UL << 63;

    /// <summary>The spawner has answered HELLO: it knows the policy's own profiles.</summary>
    public void DefineAll()
    {
        var known = new List<ProfileDescription>(link.Welcome?.Profiles ?? []);
        var wanted = options.Current.Profiles;
        for (var i = 0; i < wanted.Count; i++)
        {
            var profile = wanted[i];
            if (known.Find(p => p.Name == profile.Base) is { } inherited && link.SendProfileDefine(FirstRequest + (ulong)i, profile))
            {
                known.Add(inherited with { Name = profile.Name, Inherits = profile.Base, HasOwnRoot = inherited.HasOwnRoot || profile.Root is not null, Most = Lower(inherited.Most, profile) });
            }
        }

        link.Learn([.. known.OrderBy(static p => p.Name, StringComparer.Ordinal)]);
    }

    /// <summary>False: not the answer to a definition. Tasks that name the profile are told the reason.</summary>
    public bool OnRefused(ulong request, string why)
    {
        var index = request - FirstRequest;
        if (request < FirstRequest || index >= (ulong)options.Current.Profiles.Count)
        {
            return false;
        }

        var name = options.Current.Profiles[(int)index].Name;
        link.Learn([.. (link.Welcome?.Profiles ?? []).Where(p => p.Name != name)]);
        link.LearnRefusal(name, why);
        return true;
    }

    /// <summary>A profile of the policy has a network; those that inherit it have at most that.</summary>
    public bool OnNetwork(ProfileNetwork told)
    {
        link.Learn([.. (link.Welcome?.Profiles ?? []).Where(p => told.IsUsable || !IsOf(p, told.Profile)).Select(p => IsOf(p, told.Profile) ? WithNetwork(p, told) : p)]);
        return true;
    }

    private static ProfileLimits? Lower(ProfileLimits? most, DerivedProfile profile)
    {
        if (most is null)
        {
            return null;
        }

        var disk = profile.TmpfsBytes > 0 && most.DiskBytes > 0 ? profile.TmpfsBytes : most.DiskBytes;
        return most with
        {
            MemoryBytes = profile.MemoryBytes > 0 ? profile.MemoryBytes : most.MemoryBytes,
            DiskBytes = disk,
            UsualDiskBytes = Math.Min(most.UsualDiskBytes, disk),
            Pids = profile.Pids > 0 ? profile.Pids : most.Pids,
        };
    }

    private bool IsOf(ProfileDescription profile, string name) =>
        profile.Name == name || (profile.Inherits is { } inherited && (link.Welcome?.Profiles ?? []).Any(p => p.Name == inherited && IsOf(p, name)));

    private ProfileDescription WithNetwork(ProfileDescription profile, ProfileNetwork told)
    {
        var (level, destinations) = (told.Level, told.Destinations);
        for (var at = options.Current.Profiles.FirstOrDefault(p => p.Name == profile.Name); at is not null; at = options.Current.Profiles.FirstOrDefault(p => p.Name == at.Base))
        {
            level = at.Network is { } less && less < level ? less : level;
            destinations = ReferenceEquals(destinations, told.Destinations) ? at.Destinations ?? destinations : destinations;
        }

        return profile with { Network = level.ToString().ToLowerInvariant(), Destinations = level == NetworkLevel.Granted ? destinations : [] };
    }
}
