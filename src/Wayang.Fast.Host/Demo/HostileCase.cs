using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Host.Demo;

/// <summary>A task that tries to do harm, and the end that shows that it did none.</summary>
/// <param name="Name">What it tries.</param>
/// <param name="Spec">The task.</param>
/// <param name="Wanted">The end that it should get, in words.</param>
/// <param name="IsContained">Whether an end is that one.</param>
internal sealed record HostileCase(string Name, TaskSpec Spec, string Wanted, Func<TaskResult, bool> IsContained)
{
    private const int SegmentationFault = 11;
    private const int Abort = 6;

    private static readonly TimeSpan LoopTime = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan BombTime = TimeSpan.FromSeconds(3);

    // It waits for its end: only a daemon that overlooked the garbage would let it time out.
    private static readonly TimeSpan GarbageTime = TimeSpan.FromSeconds(10);

    /// <summary>All of them; the plugin's functions are in demo/hostile_plugin.c.</summary>
    public static IReadOnlyList<HostileCase> All(string image) =>
    [
        // A shell that cannot fork any more gives up by itself; one that can still wait is ended by its timeout.
        new("fork bomb",
            TaskSpec.Command("sh", "-c", "bomb() { bomb | bomb & bomb; }; bomb") with { Timeout = BombTime },
            "stopped by the process limit or its timeout", static r => !r.Succeeded),
        new("reads /etc/shadow", TaskSpec.Command("cat", "/etc/shadow"), "exit(1), nothing read",
            static r => r.Cause is { Type: CauseType.Exit, Value: not 0 } && r.Stdout.IsEmpty),
        new("opens a socket", TaskSpec.Call(image, "open_socket"), "refused: a typed error or a violation",
            static r => r.Cause.Type is CauseType.Exception or CauseType.SandboxViolation),
        new("writes garbage into its channel", TaskSpec.Call(image, "garbage_channel") with { Timeout = GarbageTime }, "sandbox_violation", IsViolation),
        new("traces a process (ptrace)", TaskSpec.Call(image, "ptrace_call"), "sandbox_violation", IsViolation),
        new("segfaults", TaskSpec.Call(image, "segfault"), "signal(11)", static r => r.Cause is { Type: CauseType.Signal, Value: SegmentationFault }),
        // A worker is pid 1 of its namespace, where the kernel lets no signal of its own end it: its exit code says which it was.
        new("aborts", TaskSpec.Call(image, "abort"), "signal(6) or exit(134)",
            static r => r.Cause is { Type: CauseType.Signal, Value: Abort } or { Type: CauseType.Exit, Value: 128 + Abort }),
        new("leaves without an answer", TaskSpec.Call(image, "exit_early"), "failed", static r => r.State == TaskState.Failed),
        new("loops without end", TaskSpec.Call(image, "endless_loop") with { Timeout = LoopTime }, "timeout after 1 s",
            static r => r.State == TaskState.TimedOut),
    ];

    private static bool IsViolation(TaskResult result) => result.Cause.Type == CauseType.SandboxViolation;
}
