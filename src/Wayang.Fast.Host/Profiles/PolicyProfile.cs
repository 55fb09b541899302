namespace Wayang.Fast.Host.Profiles;

/// <summary>A path of the host's that workers see, read-only.</summary>
/// <param name="IsOptional">Left out where the host lacks it.</param>
internal sealed record PolicyPath(string Path, bool IsOptional);

/// <summary>A profile as it is in force: of a file of the policy, or made tighter by a configuration. Sizes in bytes.</summary>
internal sealed record PolicyProfile(string Name)
{
    /// <summary>The profile that it was made tighter of; null: the policy's own.</summary>
    public string? Inherits { get; init; }

    public bool HasFiles { get; init; }

    /// <summary>A directory of the operator's that is the root; null: parts of the host's files.</summary>
    public string? Root { get; init; }

    /// <summary>none, loopback, granted or host.</summary>
    public string Network { get; init; } = "none";

    public IReadOnlyList<string> Destinations { get; init; } = [];

    public IReadOnlyList<PolicyPath> Paths { get; init; } = [];

    public long Memory { get; init; }

    public long Tmpfs { get; init; }

    public long FileSize { get; init; }

    public int Pids { get; init; }

    public int OpenFiles { get; init; }

    public SyscallSet Calls { get; init; } = new();
}

/// <summary>What a policy's directory says.</summary>
/// <param name="AllowsHostNetwork">policy.conf: host_network 1.</param>
internal sealed record PolicyView(string Directory, bool AllowsHostNetwork, IReadOnlyDictionary<string, PolicyProfile> Profiles);
