using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf.Interference;

/// <summary>A task that takes all it can get of one thing.</summary>
/// <param name="Name">Of the command's bomb or of the plugin's function.</param>
/// <param name="IsCall">A call of a plugin's function; else a command.</param>
/// <param name="IsNamed">The bound on urgent calls names it (fork, memory, tmpfs, inode and descriptor bomb, floods of log and output, hog); the others are ours, to see what else there is.</param>
internal sealed record Bomb(string Name, bool IsCall = false, bool IsNamed = false)
{
    /// <summary>All of them, one of each.</summary>
    public const string AllTitle = "all at once";

    // Two processors' worth of bombs that go on until this ends them.
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(2);
    private static readonly byte[] s_large = new byte[1 << 20];
    private static readonly TaskLimits s_limits = new() { MemoryBytes = 256 << 20, Pids = 64, DiskBytes = 64 << 20 };

    public static IReadOnlyList<Bomb> All { get; } =
    [
        new("fork_bomb", IsNamed: true), new("child_storm"), new("thread_storm"), new("memory_bomb", IsNamed: true), new("memory_churn"), new("tmpfs_bomb", IsNamed: true),
        new("inode_bomb", IsNamed: true), new("descriptor_bomb", IsNamed: true), new("log_flood", IsNamed: true), new("output_flood", IsNamed: true), new("drip_flood"),
        new("processor_hog", IsNamed: true),
        new("hog", IsCall: true), new("log_flood", IsCall: true), new("output_flood", IsCall: true),
    ];

    /// <summary>Short commands, one after the other: what starts and ends tasks is kept busy.</summary>
    public static Bomb Starts { get; } = new("true");

    /// <summary>The same with a megabyte of input each: what is read, kept and staged for one tenant is not done for another. Alone: the others are no uploads.</summary>
    public static Bomb Uploads { get; } = new("cat");

    public string Title => IsCall ? "call " + Name : this == Starts ? "task_storm" : this == Uploads ? "upload_storm" : Name;

    /// <summary>As it stands in the names of results.</summary>
    public static string KeyOf(string title) => title.Replace(' ', '_');

    /// <param name="program">The bombs' program.</param>
    /// <param name="plugin">The plugin's image.</param>
    /// <param name="group">That it is waited for by.</param>
    public TaskSpec Task(ReadOnlyMemory<byte> program, string plugin, string group)
    {
        var spec = this == Starts ? TaskSpec.Command("/bin/true")
            : this == Uploads ? TaskSpec.Command("/bin/cat", "large") with { Inputs = [new TaskInput("large", s_large)] }
            : IsCall ? TaskSpec.Call(plugin, Name)
            : TaskSpec.Command("./bombs", Name) with { Inputs = [new TaskInput("bombs", program, 0b111_101_101)] };
        return spec with
        {
            Class = TaskClass.Batch, Timeout = s_timeout, Group = group, Profile = IsCall ? "compute" : "standard",
            Limits = IsCall ? new TaskLimits { MemoryBytes = s_limits.MemoryBytes } : s_limits,
        };
    }

    public static ReadOnlyMemory<byte> Program(SuiteContext context) => File.ReadAllBytes(Path.Combine(context.References, "bombs"));
}
