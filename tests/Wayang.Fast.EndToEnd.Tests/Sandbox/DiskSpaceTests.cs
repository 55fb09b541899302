using System.Runtime.Versioning;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Sandbox;

/// <summary>Writable space of tasks on the disk, as a runtime with the specification's <c>disk_quota_gb</c> gives it.</summary>
[Trait("Promise", "RA1")]
[Collection("runtimes")]
[SupportedOSPlatform("linux")]
public sealed class DiskSpaceTests : IDisposable
{
    private const string WriteForever = "dd if=/dev/zero of=/tmp/x bs=1M count=64 2>/dev/null; echo written; while :; do dd if=/dev/zero of=/tmp/y bs=1M count=64 2>/dev/null; done";

    // Not below /tmp, which may lie in memory.
    private readonly string _scratch = Directory.CreateDirectory(Path.Combine("/var/tmp", $"wayang-disk-{Path.GetRandomFileName()}")).FullName;

    private string Space => Path.Combine(_scratch, "space");

    public void Dispose() => Directory.Delete(_scratch, recursive: true);

    [Fact]
    [Trait("Promise", "TR1")]
    public async Task A_task_has_the_configured_space_beyond_its_memory_and_nothing_of_it_stays()
    {
        await using var serve = await StartAsync("\nimages: [{name: tools, kind: command, rootfs: root}]");
        var fits = await serve.RunAsync("--memory", "64M", "--", "/bin/sh", "-c", "dd if=/dev/zero of=/tmp/x bs=1M count=400 2>/dev/null && stat -c %s /tmp/x");
        Assert.True(fits is { Code: 0, Out: "419430400\n" }, fits.ToString());
        var full = await serve.RunAsync("--memory", "64M", "--", "/bin/dd", "if=/dev/zero", "of=/tmp/x", "bs=1M", "count=2000");
        Assert.Contains("disk_quota", full.Err, StringComparison.Ordinal);
        var empty = await serve.RunAsync("--", "/bin/ls", "-A", "/tmp");
        Assert.True(empty is { Code: 0, Out: "" }, empty.ToString());

        // Less than a file system is worth lies in memory.
        var small = await serve.RunAsync("--disk", "4M", "--", "/bin/grep", "-c", " /tmp ext4 ", "/proc/mounts");
        Assert.Equal("0\n", small.Out);

        // A root that can be written: what is written lies in the same space.
        var root = await serve.ShellAsync("tools", "while read -r l; do echo \"$l\"; done < /proc/mounts; echo own > /etc/name; mkdir /a; echo t > /tmp/t; cat /etc/name /tmp/t");
        Assert.EndsWith("own\nt\n", root.Out, StringComparison.Ordinal);
        Assert.Contains(" /tmp ext4 rw,nosuid,nodev", root.Out, StringComparison.Ordinal);
        var next = await serve.ShellAsync("tools", "cat /etc/name; ls / /tmp");
        Assert.StartsWith("own root\n", next.Out, StringComparison.Ordinal);
        Assert.EndsWith("/tmp:\n", next.Out, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Space));
    }

    [Theory]
    [InlineData("wayang-spawner")]
    [InlineData("--daemon")]
    [InlineData("wayang-space")]
    [InlineData("wayang-keeper")]
    [Trait("Promise", "SX1")]
    public async Task Whoever_is_killed_no_device_and_no_file_is_left(string victim)
    {
        await using (var serve = await StartAsync())
        {
            var task = serve.RunAsync("--", "/bin/sh", "-c", WriteForever);
            await Eventually.TrueAsync("a device is in use", () => Devices() > 0);
            var process = ProcessTable.Below(serve.ProcessId).First(p => p.Name.Contains(victim, StringComparison.Ordinal)
                || p.CommandLine.Split(' ')[0].EndsWith(victim, StringComparison.Ordinal) || p.CommandLine.Contains($"serve {victim}", StringComparison.Ordinal));
            Assert.Equal(0, (await Finished.RunAsync(Account.Root, ["kill", "-9", process.Pid.ToString(System.Globalization.CultureInfo.InvariantCulture)])).Code);
            if (victim is "wayang-space")
            {
                var another = await serve.RunAsync("--", "/bin/grep", "-c", " /tmp ext4 ", "/proc/mounts");
                Assert.Equal("1\n", another.Out);
            }
            else
            {
                Assert.NotEqual(0, (await task).Code);
            }
        }

        await Eventually.TrueAsync($"no device is left", () => Devices() == 0);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Space));
    }

    [Fact]
    public async Task Where_it_cannot_be_made_the_reason_is_told_and_more_than_the_memory_refused()
    {
        await using var serve = await StartAsync(account: Account.Unprivileged);
        await using var client = await serve.ConnectAsync();
        var node = await client.NodeInfoAsync(TestContext.Current.CancellationToken);
        Assert.Contains("no space of tasks on the disk: only a runtime that root started mounts file systems", node.Note, StringComparison.Ordinal);
        Assert.Contains("DiskTmpfs", node.Features);
        var refused = await serve.RunAsync("--memory", "64M", "--disk", "128M", "--", "/bin/true");
        Assert.Contains("limits.disk_directory", refused.Err, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Rates_of_disk_io_are_kept_and_told_and_no_task_has_more_than_is_configured()
    {
        const string write = "dd if=/dev/zero of=/tmp/x bs=256K count=16 oflag=direct 2>/dev/null";
        await using var serve = await StartAsync(limits: ", worker_io_write_bytes_per_s: 4MiB");
        await using var client = await serve.ConnectAsync();
        var node = await client.NodeInfoAsync(TestContext.Current.CancellationToken);
        Assert.SkipUnless(node.Features.Contains("IoRates"), $"this host gives no rates of disk I/O: {node.Note}");
        Assert.Equal(4 << 20, node.Limits["worker_io_write_bytes_per_s"]);

        TimeSpan slow, fast;
        var attempt = 0;
        do
        {
            slow = await TimeAsync(1 << 20);
            fast = await TimeAsync(0); // the configured rate
            TestContext.Current.TestOutputHelper?.WriteLine($"4 MiB at 1 MiB/s: {slow.TotalSeconds:0.00} s; at the node's 4 MiB/s: {fast.TotalSeconds:0.00} s; ratio {slow / fast:0.0}");
            Assert.True(slow.TotalSeconds > 3.5, $"{slow}"); // whatever else runs, never faster than its rate
            Assert.True(fast.TotalSeconds > 0.8, $"{fast}");
        }
        while (slow < 2 * fast && ++attempt < 3); // others may hold up the fast one
        Assert.True(slow > 2 * fast, $"{slow} and {fast}");

        var tooMuch = await serve.RunAsync("--io-write", "5M", "--", "/bin/true");
        Assert.Contains("limits.worker_io_write_bytes_per_s", tooMuch.Err, StringComparison.Ordinal);

        var accepted = await serve.RunAsync("--io-write", "3M", "--io-read-ops", "1000", "--", "/bin/echo", "fine");
        Assert.True(accepted is { Code: 0, Out: "fine\n" }, accepted.ToString());

        async Task<TimeSpan> TimeAsync(long bytes)
        {
            var limits = new TaskLimits { DiskBytes = 64 << 20, Io = new IoRates(0, bytes, 0, 0) };
            var result = await client.RunAsync(TaskSpec.Command("/bin/sh", "-c", write) with { Limits = limits }, cancellation: TestContext.Current.CancellationToken);
            Assert.Equal(TaskState.Succeeded, result.State);
            var told = await client.GetAsync(result.Id, TestContext.Current.CancellationToken);
            Assert.Equal(limits, told.Limits);
            Assert.Empty(told.LimitsNotEnforced);
            return TimeSpan.FromMicroseconds(told.RunMicroseconds);
        }
    }

    [Theory]
    [InlineData("refuse")]
    [InlineData("tell")]
    public async Task Where_the_host_gives_no_rates_they_are_refused_or_told(string unenforced)
    {
        await using var serve = await StartAsync(account: Account.Unprivileged, limits: $", unenforced: {unenforced}");
        await using var client = await serve.ConnectAsync();
        Assert.SkipWhen((await client.NodeInfoAsync(TestContext.Current.CancellationToken)).Features.Contains("IoRates"), "an unprivileged runtime has rates here");
        if (unenforced == "refuse")
        {
            var refused = await serve.RunAsync("--io-read", "1M", "--", "/bin/true");
            Assert.Contains("limits.io_read_bytes_per_s cannot be enforced on this host", refused.Err, StringComparison.Ordinal);
            return;
        }

        var spec = TaskSpec.Command("/bin/true") with { Limits = new TaskLimits { Io = new IoRates(1 << 20, 0, 0, 0) } };
        var result = await client.RunAsync(spec, cancellation: TestContext.Current.CancellationToken);
        var known = await client.GetAsync(result.Id, TestContext.Current.CancellationToken);
        Assert.Equal(["io_read_bytes_per_s"], known.LimitsNotEnforced);
    }

    private async Task<ServedRuntime> StartAsync(string more = "", Account account = Account.Root, string limits = "")
    {
        Assert.SkipUnless(account != Account.Root || File.Exists("/dev/loop-control"), "there are no loop devices");
        await OwnRoot.PrepareAsync(account, _scratch);
        return await ServedRuntime.StartAsync(account, _scratch, $$"""
            http_port: 0
            limits: {disk_directory: {{Space}}{{limits}}}
            runtime:
              agents:
                resource_allocator: {disk_quota_gb: 1}{{more}}
            """);
    }

    /// <summary>Loop devices whose file lies in our directory.</summary>
    private int Devices() => Directory.EnumerateDirectories("/sys/block", "loop*").Count(device =>
    {
        try
        {
            return File.ReadAllText(Path.Combine(device, "loop", "backing_file")).StartsWith(Space, StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false; // it is not in use
        }
    });
}
