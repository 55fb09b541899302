namespace Wayang.Fast.Execution.Isolation;

/// <summary>How much of the network a profile's workers reach; each level holds what the one before it does.</summary>
public enum NetworkLevel : uint
{
    None = 0,
    Loopback = 1,

    /// <summary>Loopback, and beside it what the task was granted, through the proxy.</summary>
    Granted = 2,
    Host = 3,
}

/// <summary>What runs the commands of a profile with a root of its own.</summary>
public enum IsolationRuntime : uint
{
    /// <summary>The spawner's own sandbox.</summary>
    Native = 0,

    /// <summary>OCI runtimes of the distribution; the spawner says which can be had.</summary>
    Crun = 1,
    Runc = 2,
    Runsc = 3,
}

/// <summary>
/// A profile that a configuration defines: one of the policy, made tighter. The spawner compares each wish with the base and refuses
/// whatever is not tighter, so that who writes the configuration needs no trust. 0, null and empty keep what the base has.
/// </summary>
public sealed record DerivedProfile(string Name, string Base)
{
    public long MemoryBytes { get; init; }

    public long TmpfsBytes { get; init; }

    /// <summary>0: no file may be written; null: the base's.</summary>
    public long? FileBytes { get; init; }

    public int Pids { get; init; }

    public int OpenFiles { get; init; }

    public NetworkLevel? Network { get; init; }

    /// <summary>The most that tasks may be granted; must lie within the base's. Null: the base's.</summary>
    public IReadOnlyList<string>? Destinations { get; init; }

    /// <summary>Paths that are kept: the base's, or below one of them.</summary>
    public IReadOnlyList<string> Paths { get; init; } = [];

    /// <summary>System calls that are taken away.</summary>
    public IReadOnlyList<string> DeniedCalls { get; init; } = [];

    /// <summary>
    /// The name of a directory that the runtime's starter lent to the spawner (<c>--root NAME=DIR</c>): the workers' root. Null: the base's. The daemon never
    /// names the directory itself.
    /// </summary>
    public string? Root { get; init; }

    /// <summary>That root may be written, each worker for itself, where the host can do that.</summary>
    public bool Overlay { get; init; }

    /// <summary>What runs its commands; anything but native is refused by the spawner where it is not installed.</summary>
    public IsolationRuntime Runtime { get; init; }

    /// <summary>All of it in one line: equal for equal wishes.</summary>
    public override string ToString() =>
        $"{Name} < {Base}: {MemoryBytes} {TmpfsBytes} {FileBytes} {Pids} {OpenFiles} {Network} [{string.Join(' ', Destinations ?? [])}] [{string.Join(' ', Paths)}] [{string.Join(' ', DeniedCalls)}] {Root} {Overlay} {Runtime}";
}
