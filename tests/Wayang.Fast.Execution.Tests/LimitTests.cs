using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Limits;
using Wayang.Fast.Execution.Spawner;

namespace Wayang.Fast.Execution.Tests;

/// <summary>What tasks ask to be limited to: judged against profile and host, and held to it by the kernel.</summary>
[Trait("Promise", "RA1")]
public sealed class LimitTests
{
    private const SpawnerFeatures Everything =
        SpawnerFeatures.MemoryGroup | SpawnerFeatures.PidsGroup | SpawnerFeatures.CpuGroup | SpawnerFeatures.CpuCap | SpawnerFeatures.IoRates;

    private static readonly ProfileLimits Most = new(1L << 30, 1L << 29, 1L << 28, 256, 2000, 400) { Io = new IoRates(8 << 20, 0, 0, 500) };

    public static TheoryData<TaskLimits, string> TooMuch => new()
    {
        { new TaskLimits { MemoryBytes = (1L << 30) + 1 }, "limits.memory_bytes" },
        { new TaskLimits { Pids = 257 }, "limits.pids" },
        { new TaskLimits { CpuMilli = 2001 }, "limits.cpu_milli" },
        { new TaskLimits { CpuWeight = 401 }, "limits.cpu_weight" },
        { new TaskLimits { DiskBytes = (1L << 29) + 1 }, "limits.disk_bytes" },
        { new TaskLimits { MemoryBytes = 1 << 20, DiskBytes = 2 << 20 }, "limits.disk_bytes" },
        { new TaskLimits { MemoryBytes = 1 << 20, ReservedBytes = 2 << 20 }, "limits.reserved_bytes" },
        { new TaskLimits { Io = new IoRates((8 << 20) + 1, 0, 0, 0) }, "limits.io_read_bytes_per_s" },
        { new TaskLimits { Io = new IoRates(1 << 20, 1L << 40, 1_000_000, 501) }, "limits.io_write_ops_per_s" },
    };

    [Theory]
    [MemberData(nameof(TooMuch))]
    internal void More_than_the_profile_allows_is_refused_by_name(TaskLimits limits, string field)
    {
        var error = LimitCheck.Refuse(limits, new RuntimeOptions(), "p", Told(Everything));
        Assert.Equal((ErrorCode.InvalidArgument, field), (error!.Code, error.Field));
    }

    [Fact]
    public void What_is_configured_bounds_what_tasks_may_ask_for()
    {
        var options = new RuntimeOptions { WorkerMemoryBytes = 1 << 28, WorkerDiskBytes = 1 << 20, WorkerIo = new IoRates(0, 1 << 24, 0, 0) };
        foreach (var (limits, key) in new[] { (new TaskLimits { MemoryBytes = (1 << 28) + 1 }, "memory_bytes"), (new TaskLimits { DiskBytes = (1 << 20) + 1 }, "disk_bytes"), (new TaskLimits { Io = new IoRates(0, (1 << 24) + 1, 0, 0) }, "io_write_bytes_per_s") })
        {
            var error = LimitCheck.Refuse(limits, options, "p", Told(Everything));
            Assert.Equal((ErrorCode.InvalidArgument, $"limits.{key}"), (error!.Code, error.Field));
            Assert.Contains($"limits.worker_{key}", error.Message, StringComparison.Ordinal);
        }

        Assert.Null(LimitCheck.Refuse(new TaskLimits { MemoryBytes = 1 << 28, DiskBytes = 1 << 20 }, options, "p", Told(Everything)));
    }

    [Theory]
    [InlineData(SpawnerFeatures.MemoryGroup, "memory_bytes")]
    [InlineData(SpawnerFeatures.PidsGroup, "pids")]
    [InlineData(SpawnerFeatures.CpuGroup, "cpu_weight")]
    [InlineData(SpawnerFeatures.CpuCap, "cpu_milli")]
    [InlineData(SpawnerFeatures.IoRates, "io_write_bytes_per_s")]
    internal void What_the_host_cannot_enforce_is_refused_or_told_as_configured(SpawnerFeatures missing, string name)
    {
        var limits = new TaskLimits { MemoryBytes = 1 << 28, Pids = 8, CpuMilli = 500, CpuWeight = 50, Io = new IoRates(0, 1 << 20, 0, 0) };
        var told = Told(Everything & ~missing);
        Assert.Null(LimitCheck.Refuse(limits, new RuntimeOptions(), "p", Told(Everything)));
        var error = LimitCheck.Refuse(limits, new RuntimeOptions(), "p", told);
        Assert.Equal($"limits.{name}", error!.Field);
        Assert.Contains("cannot be enforced on this host", error.Message, StringComparison.Ordinal);

        Assert.Null(LimitCheck.Refuse(limits, new RuntimeOptions { UnenforcedLimits = UnenforcedLimits.Tell }, "p", told));
        Assert.Equal([name], LimitCheck.Unenforced(limits, told.Features).Select(static l => l.Name));
    }

    [Fact]
    public void Configured_limits_are_lowered_to_the_profile_and_what_a_task_asks_goes_before_them()
    {
        var options = new RuntimeOptions { WorkerMemoryBytes = 2L << 30, WorkerDiskBytes = 10L << 30, WorkerReservedBytes = 1 << 20, WorkerCpuWeight = 50 };
        var told = Told(Everything & ~SpawnerFeatures.CpuCap);
        Assert.Equal(new StartLimits(1L << 30, 1L << 29, 1 << 20, 0, 0, 50), StartLimits.Of(null, options, "p", told));
        var asked = new TaskLimits { MemoryBytes = 1 << 26, Pids = 3, CpuMilli = 500, CpuWeight = 200 };
        Assert.Equal(new StartLimits(1 << 26, 1 << 26, 1 << 20, 3, 0, 200), StartLimits.Of(asked, options, "p", told)); // no cap where there is none
    }

    [Fact]
    public void A_configured_rate_is_lowered_to_the_profiles_and_what_a_task_asks_goes_before_it()
    {
        var options = new RuntimeOptions { WorkerIo = new IoRates(1 << 30, 1 << 20, 0, 100) };
        var told = Told(Everything);
        Assert.Equal(new IoRates(8 << 20, 1 << 20, 0, 100), StartLimits.Of(null, options, "p", told).Io);
        Assert.Equal(new IoRates(1 << 20, 1 << 20, 7, 50), StartLimits.Of(new TaskLimits { Io = new IoRates(1 << 20, 0, 7, 50) }, options, "p", told).Io);
        Assert.Equal(default, StartLimits.Of(null, options, "p", Told(Everything & ~SpawnerFeatures.IoRates)).Io); // none where the host has none
    }

    [Fact]
    public void Space_lies_on_the_disk_where_there_is_room_for_it_and_may_be_more_than_the_memory()
    {
        var told = Told(Everything | SpawnerFeatures.DiskImage);
        var asked = new TaskLimits { MemoryBytes = 16 << 20, DiskBytes = 1 << 28 };
        Assert.Null(LimitCheck.Refuse(asked, new RuntimeOptions(), "p", told));
        Assert.Equal("limits.disk_bytes", LimitCheck.Refuse(asked, new RuntimeOptions(), "p", Told(Everything))!.Field);
        Assert.Equal(new StartLimits(16 << 20, 1 << 28, 0, 0, 0, 0) { OnDisk = true }, StartLimits.Of(asked, new RuntimeOptions(), "p", told));
        var configured = new RuntimeOptions { WorkerDiskBytes = 10L << 30, WorkerMemoryBytes = 1 << 26 };
        Assert.Equal(new StartLimits(1 << 26, 1L << 29, 0, 0, 0, 0) { OnDisk = true }, StartLimits.Of(null, configured, "p", told));
        Assert.Equal(new StartLimits(1 << 26, 1 << 26, 0, 0, 0, 0), StartLimits.Of(null, configured, "p", Told(Everything)));
        Assert.False(StartLimits.Of(new TaskLimits { DiskBytes = StartLimits.LeastOnDisk - 1 }, configured, "p", told).OnDisk); // costs next to nothing in memory
        Assert.False(StartLimits.Of(null, new RuntimeOptions(), "p", told).OnDisk);
    }

    [Fact]
    [Trait("Promise", "TR1")]
    public async Task A_command_with_space_on_the_disk_is_held_to_that_and_finds_nothing_of_another()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess && File.Exists("/dev/loop-control"), "only root mounts file systems, by way of a loop device");
        var space = Directory.CreateTempSubdirectory("wayang-space-").FullName;
        try
        {
            using var node = new TestNode(space: space);
            Assert.True(node.Has("DiskImage"));
            var limits = new TaskLimits { MemoryBytes = 32 << 20, DiskBytes = 128 << 20 };
            var fits = await Run(node, limits, "/bin/sh", "-c", "dd if=/dev/zero of=/tmp/x bs=1M count=100 2>/dev/null; ls /tmp");
            Assert.Equal((TaskState.Succeeded, "x\n"), (fits.State, fits.Stdout));
            Assert.Null(node.Tasks.Get(fits.Id, 0, out var snapshot));
            Assert.Equal("disk", snapshot!.DiskPlace);
            Assert.Contains("writable space of 128 MiB is a file system of its own on the disk", node.Runtime.Monitor.Explain(fits.Id, 0)!.Text, StringComparison.Ordinal);

            var tooMuch = await Run(node, limits, "/bin/dd", "if=/dev/zero", "of=/tmp/x", "bs=1M", "count=200");
            Assert.Equal((CauseType.DiskQuota, 1), (tooMuch.Cause.Type, tooMuch.Cause.Value));
            var nothing = await Run(node, limits, "/bin/ls", "-A", "/tmp");
            Assert.Equal((TaskState.Succeeded, string.Empty), (nothing.State, nothing.Stdout));
            Assert.Empty(Directory.EnumerateFileSystemEntries(space));
        }
        finally
        {
            Directory.Delete(space, recursive: true);
        }
    }

    [Fact]
    [Trait("Promise", "TR1")]
    public async Task A_command_is_held_to_its_memory_and_its_processes()
    {
        using var node = new TestNode();
        Assert.SkipUnless(node.Has("MemoryGroup") && node.Has("PidsGroup") && node.Has("CpuCap"), "this host gives the runtime no groups for memory, pids and cpu");
        var hungry = await Run(node, new TaskLimits { MemoryBytes = 32 << 20 }, "/bin/sh", "-c", "x=$(head -c 100000000 /dev/zero | tr '\\0' a); echo ${#x}");
        Assert.Equal((TaskState.Failed, CauseType.OutOfMemory), (hungry.State, hungry.Cause.Type));

        var forks = await Run(node, new TaskLimits { Pids = 6 }, "/bin/sh", "-c", "i=0; while [ $i -lt 30 ]; do sleep 100 & i=$((i+1)); echo $i; done");
        Assert.Equal(TaskState.Failed, forks.State);
        Assert.Contains("4\n", forks.Stdout, StringComparison.Ordinal);
        Assert.DoesNotContain("7\n", forks.Stdout, StringComparison.Ordinal);

        var content = await Run(node, new TaskLimits { MemoryBytes = 64 << 20, Pids = 4, DiskBytes = 4 << 20, CpuMilli = 500 }, "/bin/echo", "fine");
        Assert.Equal((TaskState.Succeeded, "fine\n"), (content.State, content.Stdout));
        Assert.Null(node.Tasks.Get(content.Id, 0, out var snapshot));
        Assert.Equal((500, 4 << 20), (snapshot!.Limits!.CpuMilli, snapshot.Limits.DiskBytes));
        Assert.Empty(snapshot.LimitsNotEnforced);
    }

    [Fact]
    [Trait("Promise", "TR1")]
    public async Task A_command_is_held_to_its_disk()
    {
        using var node = new TestNode();
        var writes = await Run(node, new TaskLimits { DiskBytes = 1 << 20 }, "/bin/dd", "if=/dev/zero", "of=/tmp/x", "bs=64K", "count=32");
        Assert.Equal((CauseType.DiskQuota, 1), (writes.Cause.Type, writes.Cause.Value));
        Assert.Contains("limits.disk_bytes", writes.Cause.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Calls_with_other_limits_have_workers_of_their_own_and_those_pools_are_bounded()
    {
        using var node = new TestNode(new RuntimeOptions { SpareWorkers = 0, UnenforcedLimits = UnenforcedLimits.Tell });
        var target = node.Resolve("echo");
        var plain = await node.Submit(target, "x"u8).WaitAsync();
        Assert.Equal(TaskState.Succeeded, plain.State);
        var limited = new TaskLimits { MemoryBytes = 64 << 20 };
        Assert.Equal(TaskState.Succeeded, (await Call(node, target, limited).WaitAsync()).State);
        Assert.Equal(TaskState.Succeeded, (await Call(node, target, limited with { }).WaitAsync()).State); // equal: the same pool
        Assert.Equal(2, node.Runtime.Monitor.ListPools(0).Count);

        for (var i = 1; i < TaskService.MaxLimitPools; i++)
        {
            Call(node, target, new TaskLimits { MemoryBytes = (64 << 20) + (i * 4096) });
        }

        var error = Submit(node, target, new TaskLimits { MemoryBytes = 32 << 20 }, null, out _);
        Assert.Equal((ErrorCode.ResourceExhausted, "limits"), (error!.Code, error.Field));
        Assert.Equal(TaskState.Succeeded, (await Call(node, target, limited).WaitAsync()).State);
    }

    private static Task<Ending> Run(TestNode node, TaskLimits limits, params string[] command)
    {
        var ending = new Ending();
        var error = Submit(node, node.ResolveCommand(), limits, new CommandLine(command, [], null), out var id, ending);
        Assert.True(error is null, error?.Message);
        ending.Id = id;
        return ending.WaitAsync();
    }

    private static Ending Call(TestNode node, CallTarget target, TaskLimits limits)
    {
        var ending = new Ending();
        var error = Submit(node, target, limits, null, out var id, ending);
        Assert.True(error is null, error?.Message);
        ending.Id = id;
        return ending;
    }

    private static OperationError? Submit(TestNode node, CallTarget target, TaskLimits limits, CommandLine? command, out TaskId id, Ending? ending = null) =>
        node.Tasks.Submit(
            new TaskSubmission { Target = target, Level = 32, Command = command, Terms = new TaskTerms { Limits = limits } }, ending, 0, out id);

    private static Welcome Told(SpawnerFeatures features) => new(
        features, 0, 16, string.Empty, [new ProfileDescription("p", HasFiles: true, HasOwnRoot: false, ["call", "exec"]) { Most = Most }]);
}
