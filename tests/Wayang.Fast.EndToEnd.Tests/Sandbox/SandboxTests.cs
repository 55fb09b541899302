using System.Globalization;
using System.Text;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Sandbox;

/// <summary>The sandbox as it is read back from live workers of each profile, from outside and from inside.</summary>
[Trait("Promise", "IM1")]
[Trait("Promise", "IM2")]
[Trait("Promise", "SX1")]
public sealed class SandboxTests(ITestOutputHelper output)
{
    private static readonly string[] Capabilities = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];

    [Theory]
    [InlineData("compute")]
    [InlineData("standard")]
    public async Task Call_worker_is_confined(string profile)
    {
        using var node = new LiveNode(new Execution.RuntimeOptions { SpareWorkers = 0, MaxWorkersPerPool = 1 });
        await node.PutAsync("hostile", Plugins.Hostile);
        var wait = await node.FunctionAsync("hostile", "wait_cancelled", profile: profile);
        var id = node.Begin(wait, [], out var waiter, timeoutMs: 60_000);
        await LiveNode.UntilAsync(() => node.ReadSoFar(id, OutputStream.Log).Length > 0, "the call says that it runs");
        await LiveNode.UntilAsync(() => node.WorkerPids().Count > 0, "the node was told of its worker");
        var pid = Assert.Single(node.WorkerPids());
        var facts = ProcessFacts.Read(pid);
        output.WriteLine(string.Join(", ", facts.Descriptors.Select(static d => $"{d.Key} {d.Value}")));
        CheckStatus(facts.Status);
        CheckNamespaces(facts.Namespaces);
        CheckHostUid(facts.Status);

        // The doorbell, and nothing else: the rings are mapped, their files closed.
        var only = Assert.Single(facts.Descriptors);
        Assert.Equal(3, only.Key);
        Assert.Equal("anon_inode:[eventfd]", only.Value);
        node.Cancel(id);
        Assert.Equal(TaskState.Cancelled, (await waiter.Ended.WaitAsync(LiveNode.Patience)).State);
    }

    [Fact]
    public async Task Command_is_confined()
    {
        using var node = new LiveNode();
        var end = await node.ShellAsync(
            "cat /proc/self/status; echo ==; for n in mnt pid net ipc uts user cgroup; do echo $n $(readlink /proc/self/ns/$n); done; "
            + "echo ==; ls -l /proc/self/fd | sed -n 's/.* \\([0-9]*\\) -> /\\1 /p'; echo ==; id -u; hostname; cat /proc/self/uid_map; "
            + "echo ==; ls -A /; echo ==; cut -d' ' -f5 /proc/self/mountinfo");
        Assert.True(end.State == TaskState.Succeeded, end.ToString());
        var parts = end.Out.Split("==\n");
        CheckStatus(ProcessFacts.ParseStatus(parts[0]));
        CheckNamespaces(parts[1].TrimEnd('\n').Split('\n').Select(static l => l.Split(' ')).ToDictionary(static p => p[0], static p => p[1], StringComparer.Ordinal));

        // 3 is the directory that ls itself opened.
        var descriptors = parts[2].TrimEnd('\n').Split('\n').Select(static l => l.Split(' ', 2)).ToDictionary(static p => p[0], static p => p[1], StringComparer.Ordinal);
        Assert.Equal(["0", "1", "2", "3"], descriptors.Keys.Order(StringComparer.Ordinal));
        Assert.All(["0", "1", "2"], fd => Assert.StartsWith("pipe:", descriptors[fd], StringComparison.Ordinal));
        Assert.StartsWith("/proc/", descriptors["3"], StringComparison.Ordinal);
        output.WriteLine(end.Out);
        var map = parts[3].TrimEnd('\n').Split('\n')[^1].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal("1", map[2]);
        Assert.NotEqual("0", map[1]);
    }

    [Fact]
    public async Task Command_seen_from_outside_has_no_host_root()
    {
        using var node = new LiveNode();
        var mark = Guid.NewGuid().ToString("N");
        var id = node.Begin(node.Command(), [], out var waiter, 60_000, LiveNode.Normal, new CommandLine(["/bin/sleep", "600"], [$"MARK={mark}"], WorkingDirectory: null));
        var pid = 0;
        await LiveNode.UntilAsync(() => (pid = FindByEnvironment($"MARK={mark}")) != 0, "the command lives");
        await LiveNode.UntilAsync(() => Name(pid) == "sleep", "it was executed");
        await LiveNode.UntilAsync(() => ProcessFacts.Read(pid).Descriptors.Count <= 3, "its libraries are loaded, each of which is open for a moment");
        var facts = ProcessFacts.Read(pid);
        CheckStatus(facts.Status);
        CheckNamespaces(facts.Namespaces);
        CheckHostUid(facts.Status);
        Assert.Equal([0, 1, 2], facts.Descriptors.Keys.Order());
        Assert.All(facts.Descriptors.Values, static d => Assert.StartsWith("pipe:", d, StringComparison.Ordinal));
        node.Cancel(id);
        Assert.Equal(TaskState.Cancelled, (await waiter.Ended.WaitAsync(LiveNode.Patience)).State);
    }

    [Theory]
    [InlineData("compute")]
    [InlineData("standard")]
    [Trait("Promise", "IM3")]
    public async Task Call_reaches_no_host_path(string profile)
    {
        var secret = Path.Combine(Path.GetTempPath(), $"wayang-secret-{Guid.NewGuid():N}");
        await File.WriteAllTextAsync(secret, "of the host");
        try
        {
            using var node = new LiveNode();
            await node.PutAsync("hostile", Plugins.Hostile);
            string[] paths = [secret, "/etc/shadow", "/root", "/home", "/proc/1/root/etc/shadow", "/dev/mem", "/sys/kernel", "/run/lock", "/var", Environment.ProcessPath!];
            var input = Encoding.UTF8.GetBytes(string.Join('\0', paths) + "\0");
            var end = await node.CallAsync(await node.FunctionAsync("hostile", "open_paths", profile: profile), input);
            Assert.True(end.State == TaskState.Succeeded, end.ToString());
            output.WriteLine(end.Text);
            foreach (var (path, error) in Hostile.DescriptorTests.Parse(end.Text))
            {
                Assert.True(error != 0 || (profile == "standard" && path.StartsWith("/usr/", StringComparison.Ordinal)), $"{path} could be opened");
            }
        }
        finally
        {
            File.Delete(secret);
        }
    }

    [Fact]
    [Trait("Promise", "IM3")]
    public async Task Command_reaches_no_host_path_and_cannot_write_what_it_is_shown()
    {
        var secret = Path.Combine(Path.GetTempPath(), $"wayang-secret-{Guid.NewGuid():N}");
        await File.WriteAllTextAsync(secret, "of the host");
        try
        {
            using var node = new LiveNode();
            string[] attempts =
            [
                $"cat {secret}", "cat /etc/shadow", "ls /root", "cat /proc/1/root/etc/shadow", "touch /usr/x", "touch /etc/x", "touch /x",
                "mount -t tmpfs none /tmp", "mknod /tmp/d b 8 0", "cat /dev/sda", "echo 1 > /proc/sys/kernel/hostname",
            ];
            foreach (var attempt in attempts)
            {
                var end = await node.ShellAsync(attempt);
                Assert.True(end.State == TaskState.Failed, $"{attempt}: {end}");
                Assert.True(end.Cause.Type is CauseType.Exit or CauseType.SandboxViolation, $"{attempt}: {end}");
                Assert.DoesNotContain("of the host", end.Out, StringComparison.Ordinal);
            }

            var written = await node.ShellAsync("echo mine > /tmp/x && cat /tmp/x && ls /tmp");
            Assert.Equal("mine\nx\n", written.Out);

            // The first process of its namespace is ours; signals from inside do not reach it, nor anything beyond.
            var alive = await node.ShellAsync("kill -9 1; kill -9 -1; echo alive");
            Assert.Equal("alive\n", alive.Out);
        }
        finally
        {
            File.Delete(secret);
        }
    }

    private static void CheckStatus(IReadOnlyDictionary<string, string> status)
    {
        Assert.Equal("2", status["Seccomp"]);
        Assert.Equal("1", status["NoNewPrivs"]);
        Assert.All(Capabilities, name => Assert.Equal("0000000000000000", status[name]));
    }

    private static void CheckNamespaces(IReadOnlyDictionary<string, string> namespaces)
    {
        foreach (var name in ProcessFacts.Names)
        {
            var ours = new FileInfo($"/proc/self/ns/{name}").LinkTarget;
            Assert.StartsWith($"{name}:[", namespaces[name], StringComparison.Ordinal);
            Assert.NotEqual(ours, namespaces[name]);
        }
    }

    private static void CheckHostUid(IReadOnlyDictionary<string, string> status)
    {
        Assert.All(status["Uid"].Split(' ').Concat(status["Gid"].Split(' ')), static id => Assert.NotEqual("0", id));
        Assert.True(status.GetValueOrDefault("Groups", "").Trim().Split(' ').All(static g => g != "0"), "in no group of the host's root");
    }

    private static int FindByEnvironment(string variable)
    {
        foreach (var directory in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(directory), NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
                && TryRead($"{directory}/environ") is { } environment
                && environment.Contains(variable, StringComparison.Ordinal))
            {
                return pid;
            }
        }

        return 0;
    }

    private static string Name(int pid) => TryRead(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/comm"))?.TrimEnd('\n') ?? string.Empty;

    private static string? TryRead(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null; // it ended meanwhile
        }
    }
}
