using System.Globalization;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Escape;

/// <summary>Security scans: sound workers pass; one that something was done to from outside is found, killed and named.</summary>
[Trait("Promise", "SX4")]
[Trait("Promise", "IM2")]
[Collection("runtimes")]
public sealed class ScanTests
{
    [Fact]
    public async Task Sound_workers_of_each_kind_pass_while_they_work()
    {
        using var node = new LiveNode();
        var load = await CheckedLoad.StartAsync(node, 2);
        await node.PutAsync("hostile", Plugins.Hostile);
        foreach (var profile in (string[])["compute", "standard"])
        {
            node.Begin(await node.FunctionAsync("hostile", "wait_for_ever", profile: profile), [], out _, timeoutMs: 60_000);
        }

        var id = Sleeper(node, out _);
        await LiveNode.UntilAsync(() => node.StateOf(id) == TaskState.Running && node.WorkerPids().Count >= 3, "they run");
        bool SeesPrograms() => node.Monitor.Scan() is { } seen && seen.Processes > seen.Workers;
        await LiveNode.UntilAsync(() => !node.HasMemoryGroup || SeesPrograms(), "the command's init has begun its program");
        for (var i = 0; i < 20; i++)
        {
            var report = node.Monitor.Scan();
            Assert.NotNull(report);
            Assert.True(report.Findings.Count == 0, string.Join('\n', report.Findings));
            Assert.True(report.Workers >= 4 && report.Processes >= report.Workers + (node.HasMemoryGroup ? 1 : 0), report.ToString());
        }

        Assert.True(await load.StopAsync() > 0);
    }

    /// <summary>As root of the host we put its process somewhere else: exactly what the scan is there for.</summary>
    [Fact]
    public async Task A_worker_outside_of_its_memory_group_is_killed_and_named()
    {
        Assert.SkipUnless(Installation.IsRoot, "needs root");
        using var node = new LiveNode();
        var id = Sleeper(node, out var waiter);
        await LiveNode.UntilAsync(() => Inits(node).Count == 1, "the command runs");
        await LiveNode.UntilAsync(() => node.StateOf(id) == TaskState.Running, "it was told");
        Assert.SkipUnless(node.HasMemoryGroup, "this host gives no memory group");
        var init = Inits(node)[0];
        await File.WriteAllTextAsync(Path.Combine(MemoryRoot(), "cgroup.procs"), init.ToString(CultureInfo.InvariantCulture), TestContext.Current.CancellationToken);
        await ExpectAsync(node, waiter, "it is not in its memory group");
    }

    [Fact]
    public async Task A_mount_that_was_added_to_a_worker_is_found()
    {
        Assert.SkipUnless(Installation.IsRoot, "needs root");
        using var node = new LiveNode();
        var id = Sleeper(node, out var waiter);
        await LiveNode.UntilAsync(() => Inits(node).Count == 1 && node.StateOf(id) == TaskState.Running, "the command runs");
        var mounted = await Finished.RunAsync(
            Account.Root, ["nsenter", "--mount", "--target", Inits(node)[0].ToString(CultureInfo.InvariantCulture), "mount", "-t", "tmpfs", "none", "/tmp"]);
        Assert.True(mounted.Code == 0, mounted.ToString());
        await ExpectAsync(node, waiter, "a mount at /tmp without nosuid");
    }

    [Fact]
    public async Task The_clock_starts_them_too()
    {
        using var node = new LiveNode(new Execution.RuntimeOptions { ScanIntervalSeconds = 1 });
        await LiveNode.UntilAsync(() => node.Statistic("scans") >= 2, "two scans by the clock");
    }

    private static async Task ExpectAsync(LiveNode node, EndWaiter waiter, string what)
    {
        var report = node.Monitor.Scan();
        var finding = Assert.Single(report!.Findings);
        Assert.Equal(FindingSeverity.Critical, finding.Severity);
        Assert.Equal(what, finding.What);
        var end = await waiter.Ended.WaitAsync(LiveNode.Patience);
        Assert.True(end is { State: TaskState.Failed, Cause.Type: CauseType.SandboxViolation }, end.ToString());
        Assert.Equal("scan: " + what, end.Cause.Detail);
        Assert.Equal(1, waiter.Told);
        Assert.Contains(node.Monitor.ListIncidents(10), i => i.Kind == IncidentKind.ScanFinding && i.Reason.Contains(what, StringComparison.Ordinal));
        Assert.Empty(node.Monitor.Scan()!.Findings);
    }

    private static TaskId Sleeper(LiveNode node, out EndWaiter waiter) =>
        node.Begin(node.Command(), [], out waiter, 60_000, LiveNode.Normal, new CommandLine(["/bin/sleep", "600"], [], WorkingDirectory: null));

    private static List<int> Inits(LiveNode node) => [.. ProcessTable.Below(node.SpawnerPid).Where(static p => p.Name == "wayang-init").Select(static p => p.Pid)];

    private static string MemoryRoot() => Directory.Exists("/sys/fs/cgroup/memory") ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup";
}
