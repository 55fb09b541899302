using System.Globalization;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Tasks;

/// <summary>
/// The ways to die, each as a command of the profile standard: one end with its cause, the exit code or signal, memory and processor time, and
/// the last that it wrote.
/// </summary>
[Trait("Promise", "TR4")]
public sealed class EndTableTests(EndTableTests.Shared shared) : IClassFixture<EndTableTests.Shared>
{
    private LiveNode Node => shared.Node;

    /// <summary>Shell scripts; each writes "last words" to its standard error before the end comes.</summary>
    public static TheoryData<string, string, CauseType, int> Scripts => new()
    {
        { "succeeds", "exit 0", CauseType.Exit, 0 },
        { "fails", "exit 1", CauseType.Exit, 1 },
        { "the highest exit code", "exit 255", CauseType.Exit, 255 },
        { "an exit code that looks like a signal's", "exit 137", CauseType.Exit, 137 },
        { "SIGHUP", "kill -HUP $$", CauseType.Signal, 1 },
        { "SIGINT", "kill -INT $$", CauseType.Signal, 2 },
        { "SIGQUIT", "kill -QUIT $$", CauseType.Signal, 3 },
        { "SIGILL", "kill -ILL $$", CauseType.Signal, 4 },
        { "SIGTRAP", "kill -TRAP $$", CauseType.Signal, 5 },
        { "SIGBUS", "kill -BUS $$", CauseType.Signal, 7 },
        { "SIGFPE", "kill -FPE $$", CauseType.Signal, 8 },
        { "SIGKILL of its own", "kill -KILL $$", CauseType.Signal, 9 },
        { "SIGSEGV", "kill -SEGV $$", CauseType.Signal, 11 },
        { "SIGPIPE", "kill -PIPE $$", CauseType.Signal, 13 },
        { "SIGALRM", "kill -ALRM $$", CauseType.Signal, 14 },
        { "SIGTERM of its own", "kill -TERM $$", CauseType.Signal, 15 },
        { "abort()", "exec python3 -c 'import os; os.abort()'", CauseType.Signal, 6 },
        { "a fault", "exec python3 -c 'import ctypes; ctypes.string_at(8)'", CauseType.Signal, 11 },
        { "its stack overflows", "exec python3 -c 'x = ()\nfor i in range(1000000): x = (x,)\nhash(x)'", CauseType.Signal, 11 },
        { "its file grows too large", "exec truncate -s 70000000000 /tmp/x", CauseType.Signal, 25 },
        { "it uses up the time that it set itself", "ulimit -S -t 1; while :; do :; done", CauseType.Signal, 24 },
        { "a forbidden system call", "unshare -r true; sleep 600", CauseType.SandboxViolation, -1 },
        { "a double-forked daemon stays behind", "(setsid sleep 600 & ) ; exit 4", CauseType.Exit, 4 },
        { "an exception of Python", "exec python3 -c 'raise SystemError(1)' 2>/dev/null", CauseType.Exit, 1 },
        { "what it executes is no program", "printf '\\177ELF' > /tmp/x; chmod +x /tmp/x; exec python3 -c 'import os; os.execv(\"/tmp/x\", [\"x\"])' 2>/dev/null", CauseType.Exit, 1 },
        { "what it executes is not there", "exec /no/such 2>/dev/null", CauseType.Exit, 127 },
        { "what it executes is not executable", "exec /etc/passwd 2>/dev/null", CauseType.Exit, 126 },
    };

    /// <summary>The same under limits of its own: 32 MiB of memory, 1 MiB of disk, 8 processes.</summary>
    public static TheoryData<string, string, CauseType, int> Starved => new()
    {
        { "out of memory", "exec tail /dev/zero", CauseType.OutOfMemory, 0 },
        { "a child is out of memory, and the task fails of it", "tail /dev/zero 2>/dev/null; exit 5", CauseType.OutOfMemory, 0 },
        { "its space is full", "head -c 2000000 /dev/zero > /tmp/x 2>/dev/null", CauseType.DiskQuota, 1 },
        { "a fork bomb meets the bound of processes", "exec 2>&1; i=0; while :; do sleep 600 & done; exit 0", CauseType.Exit, 2 },
    };

    [Theory]
    [MemberData(nameof(Scripts))]
    public async Task A_command_ends_once_with_its_cause(string name, string script, CauseType cause, int value) =>
        await RunAsync(name, script, cause, value, limits: null);

    [Theory]
    [MemberData(nameof(Starved))]
    [Trait("Promise", "RA1")]
    public async Task A_command_that_meets_its_limits_ends_once_with_its_cause(string name, string script, CauseType cause, int value)
    {
        Assert.SkipUnless(Node.HasMemoryGroup, "this host gives the runtime no memory group: limits of memory are refused here");
        await RunAsync(name, script, cause, value, new TaskLimits { MemoryBytes = 32 << 20, DiskBytes = 1 << 20, Pids = 8 });
    }

    [Fact]
    public async Task A_child_that_is_killed_for_memory_does_not_fail_a_task_that_lives_on()
    {
        Assert.SkipUnless(Node.HasMemoryGroup && Node.Tasks.DescribeNode().CgroupMode == "v1", "version 2 kills the whole group, so the task ends with it");
        Begin("tail /dev/zero 2>/dev/null; echo last words >&2; exit 0", new TaskLimits { MemoryBytes = 32 << 20 }, out var waiter);
        var end = await waiter.Ended.WaitAsync(LiveNode.Patience);
        Assert.True(end is { State: TaskState.Succeeded, Cause: { Type: CauseType.Exit, Value: 0 } }, end.ToString());
    }

    [Theory]
    [InlineData("no/such/program", null, 127)]
    [InlineData("/etc/passwd", null, 126)]
    [InlineData("/bin/true", "/no/such/directory", 126)]
    public async Task A_command_that_cannot_be_executed_says_so_itself(string program, string? directory, int code)
    {
        var end = await Node.ExecAsync(new CommandLine([program], [], directory));
        Assert.True(end is { State: TaskState.Failed, Cause.Type: CauseType.Exit } && end.Cause.Value == code, end.ToString());
        Assert.Contains(directory ?? program, end.Err, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_command_that_is_killed_from_outside_says_so(bool initToo)
    {
        var marker = string.Create(CultureInfo.InvariantCulture, $"{(initToo ? 98_765 : 98_766)}");
        Begin($"echo last words >&2; exec sleep {marker}", limits: null, out var waiter);
        ProcessEntry? found = null;
        await LiveNode.UntilAsync(() => (found = Sleeper(marker)) is not null, "its process is there");
        Signals.Kill(initToo ? found!.ParentPid : found!.Pid);
        var end = await waiter.Ended.WaitAsync(LiveNode.Patience);
        Assert.Equal(TaskState.Failed, end.State);
        Assert.True(initToo ? end.Cause.Type == CauseType.WorkerLost : end.Cause is { Type: CauseType.Signal, Value: 9 }, end.ToString());
        Assert.Equal("last words\n", end.Err);
        Assert.Equal(1, waiter.Told);
    }

    [Fact]
    public async Task A_command_whose_zygote_is_killed_is_lost_and_says_so()
    {
        using var node = new LiveNode();
        var command = new CommandLine(["/bin/sh", "-c", "echo last words >&2; exec sleep 98767"], [], WorkingDirectory: null);
        node.Begin(node.Command(), [], out var waiter, 60_000, LiveNode.Normal, command);
        await LiveNode.UntilAsync(() => Sleeper("98767") is not null, "its process is there");
        var zygote = ProcessTable.Below(node.SpawnerPid).First(static p => p.NamespaceDepth == 2 && p.Name == "wayang-zygote");
        Signals.Kill(zygote.Pid);
        var end = await waiter.Ended.WaitAsync(LiveNode.Patience);
        Assert.True(end is { State: TaskState.Failed, Cause.Type: CauseType.WorkerLost }, end.ToString());
        Assert.Equal("last words\n", end.Err);
        Assert.Equal(1, waiter.Told);
    }

    /// <summary>What was written before the kill is there, in order, cut nowhere but at the end of a write.</summary>
    [Fact]
    public async Task Numbered_output_is_complete_up_to_the_instant_of_the_kill()
    {
        var seed = Environment.TickCount;
        var random = new Random(seed);
        for (var round = 0; round < 20; round++)
        {
            var marker = string.Create(CultureInfo.InvariantCulture, $"{round}-{seed}");
            var id = Begin($"i=0; while :; do i=$((i+1)); echo \"$i {marker}\"; echo \"$i {marker}\" >&2; done", limits: null, out var waiter);
            var least = random.Next(1, 3000);
            await LiveNode.UntilAsync(() => Node.ReadSoFar(id, OutputStream.Stdout).Length >= least, "it writes");
            Node.Cancel(id);
            var end = await waiter.Ended.WaitAsync(LiveNode.Patience);
            Assert.Equal(TaskState.Cancelled, end.State);
            var (written, last) = (Numbers(end.Out, marker), Numbers(end.Err, marker));
            Assert.True(written - last is 0 or 1, $"seed {seed}: {written} lines of stdout, {last} of stderr, which is written after it");
        }
    }

    private static ProcessEntry? Sleeper(string marker) =>
        ProcessTable.Below(Environment.ProcessId).Find(p => p.CommandLine.Trim().EndsWith($"sleep {marker}", StringComparison.Ordinal) && !p.CommandLine.Contains("echo", StringComparison.Ordinal));

    /// <returns>How many whole lines there are; each has to carry its number.</returns>
    private static int Numbers(string text, string marker)
    {
        Assert.EndsWith("\n", text, StringComparison.Ordinal);
        var lines = text.TrimEnd('\n').Split('\n');
        for (var i = 0; i < lines.Length; i++)
        {
            Assert.Equal(string.Create(CultureInfo.InvariantCulture, $"{i + 1} {marker}"), lines[i]);
        }

        return lines.Length;
    }

    private async Task RunAsync(string name, string script, CauseType cause, int value, TaskLimits? limits)
    {
        var id = Begin($"echo last words >&2; {script}", limits, out var waiter);
        var end = await waiter.Ended.WaitAsync(LiveNode.Patience);
        Assert.True(end.Cause.Type == cause && (value < 0 || end.Cause.Value == value), $"{name}: {end}");
        Assert.Equal(cause == CauseType.Exit && value == 0 ? TaskState.Succeeded : TaskState.Failed, end.State);
        Assert.StartsWith("last words\n", end.Err, StringComparison.Ordinal);
        Assert.True(end.CpuMicroseconds > 0, $"{name}: no processor time");
        Assert.True(!Node.HasMemoryGroup || end.PeakMemoryBytes > 0, $"{name}: no peak of memory");
        Assert.True(limits is null || end.PeakMemoryBytes <= (ulong)limits.MemoryBytes, $"{name}: {end.PeakMemoryBytes} bytes");

        // What can be asked for later is the same end; and it was told once.
        Assert.Null(Node.Tasks.Get(id, 0, out var snapshot));
        Assert.Equal((end.State, end.Cause, end.CpuMicroseconds), (snapshot!.State, snapshot.Cause, snapshot.CpuMicroseconds));
        Assert.Equal(1, waiter.Told);
    }

    private TaskId Begin(string script, TaskLimits? limits, out EndWaiter waiter)
    {
        waiter = new EndWaiter();
        var submission = new TaskSubmission
        {
            Target = Node.Command(),
            Level = LiveNode.Normal,
            TimeoutMs = 60_000,
            Command = new CommandLine(["/bin/sh", "-c", script], [], WorkingDirectory: null),
            Terms = limits is null ? null : new TaskTerms { Limits = limits },
        };
        var error = Node.Tasks.Submit(submission, waiter, 0, out var id);
        Assert.True(error is null, error?.Message);
        return id;
    }

    /// <summary>One node for the table; its first task waits until the spawner has answered.</summary>
    public sealed class Shared : IAsyncLifetime
    {
        internal LiveNode Node { get; } = new();

        public async ValueTask InitializeAsync() => await Node.ShellAsync("true");

        public ValueTask DisposeAsync()
        {
            Node.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
