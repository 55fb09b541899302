using System.Globalization;
using System.Runtime.Versioning;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Wayang.Fast.EndToEnd.Tests.Kill;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Sandbox;

/// <summary>Those who serve the tasks go before them, as the kernel counts: by niceness, and by session where it groups by that.</summary>
[Collection("runtimes")]
[SupportedOSPlatform("linux")]
public sealed class PriorityTests
{
    // Not a private one, in which nobody waits for anybody.
    private const string Served = "http_port: 0\n";

    private const string Grouping = "/proc/sys/kernel/sched_autogroup_enabled";

    [Fact(Timeout = 300_000)]
    [Trait("Promise", "RA1")]
    public async Task Daemon_and_spawner_go_before_the_tasks()
    {
        await using var runtime = await RuntimeUnderTest.StartAsync(Account.Root);
        await using var client = await runtime.ConnectAsync();
        await Load.SubmitAsync(client, await Load.PutImageAsync(client));
        await Load.UnderWayAsync(client);
        var servers = new[] { runtime.Daemon, runtime.Spawner };

        Assert.All(servers, static pid => Assert.Equal(-10, Niceness(pid)));

        // One that was just forked has its zygote's niceness until it is confined, before it does anything of its task.
        await Eventually.EmptyAsync(
            "workers that go before those who serve them",
            () => [.. runtime.BelowKeeper().Where(static p => p is { NamespaceDepth: >= 3, IsZombie: false } && Niceness(p.Pid) < 0).Select(static p => p.ToString())]);
        Assert.SkipUnless(File.Exists(Grouping) && File.ReadAllText(Grouping).Trim() == "1", "this kernel does not group by session");
        Assert.All(servers, static pid => Assert.EndsWith("nice -10", File.ReadAllText($"/proc/{pid}/autogroup").Trim(), StringComparison.Ordinal));
    }

    /// <summary>What works for milliseconds at a time gives way to what serves everybody, and to the workers: it has a longer slice, and the daemon's weight, whoever started it.</summary>
    [Fact(Timeout = 300_000)]
    [Trait("Promise", "RA1")]
    public async Task Threads_of_the_daemons_pool_have_its_weight_and_longer_slices_than_its_own()
    {
        await using var runtime = await RuntimeUnderTest.StartAsync(Account.Root, Served);
        await using var client = await runtime.ConnectAsync();
        Assert.SkipUnless(SliceOf($"/proc/{runtime.Daemon}") is not null, "this kernel tells no slices (/proc/PID/sched, Linux 6.12 with its scheduler's statistics)");
        await Load.PutImageAsync(client); // a file of more than a piece is written by the pool
        await Eventually.EmptyAsync(
            "threads of the pool with a short slice, or less weight",
            () => [.. Threads(runtime.Daemon, ".NET TP Worker").Where(static t => SliceOf(t) is { } slice && (slice != 400_000 || Niceness(t) is > -10))]);
        Assert.NotEmpty(Threads(runtime.Daemon, ".NET TP Worker"));
        Assert.Equal(100_000, SliceOf($"/proc/{runtime.Daemon}/task/{runtime.Daemon}"));
    }

    /// <summary>An ordinary thread that is interrupted in the middle of an answer comes after whoever has waited, however little that weighs.</summary>
    [Fact(Timeout = 300_000)]
    [Trait("Promise", "IM3")]
    public async Task Threads_that_read_requests_and_take_completions_go_before_all_ordinary_ones()
    {
        await using var runtime = await RuntimeUnderTest.StartAsync(Account.Root, Served);
        Assert.SkipUnless(await MayGoFirstAsync() && runtime.Groups.TryGiveRealTime(), "this host lets nobody go first (SCHED_RR; a control group of version 1 may have no time for it)");
        await runtime.StartAsync(); // once more, now that it may
        await using var client = await runtime.ConnectAsync();
        string[] first = [".NET Sockets", "wayang-completi", "wayang-collect"];
        await Eventually.EmptyAsync("threads that do not go first", () => [.. first.Where(name => Threads(runtime.Daemon, name) is not { Count: > 0 } found || found.Any(static t => Policy(t) == 0))]);

        // Nobody else does: what those start is ordinary.
        Assert.DoesNotContain(Tasks(runtime.Daemon), t => Policy(t) is > 0 && !first.Contains(Text($"{t}/comm")?.TrimEnd('\n')));
        Assert.All(runtime.BelowKeeper().Where(p => p.Pid != runtime.Daemon), static p => Assert.True(Policy($"/proc/{p.Pid}") is null or 0, p.ToString()));
    }

    /// <summary>Web frameworks watch the folders in which the program was started, to see settings change: all of the disk where that is the root.</summary>
    [Fact(Timeout = 300_000)]
    public async Task The_daemon_watches_no_folders()
    {
        await using var runtime = await RuntimeUnderTest.StartAsync(Account.Root, string.Create(CultureInfo.InvariantCulture, $"http_port: {ServeTest.FreePort()}\n"));

        // The doors over HTTP are the last that open, and who watches has begun before.
        await Eventually.TrueAsync("a door over HTTP is open", () => Threads(runtime.Daemon, "Kestrel Timer").Count > 0);
        Assert.DoesNotContain(
            Directory.EnumerateFileSystemEntries($"/proc/{runtime.Daemon}/fd").Select(static fd => new FileInfo(fd).LinkTarget), static target => target?.Contains("inotify", StringComparison.Ordinal) == true);
    }

    private static async Task<bool> MayGoFirstAsync()
    {
        using var tried = System.Diagnostics.Process.Start("chrt", "-r 1 true");
        await tried.WaitForExitAsync(TestContext.Current.CancellationToken);
        return tried.ExitCode == 0;
    }

    private static List<string> Threads(int pid, string name) =>
        [.. Tasks(pid).Where(thread => Text($"{thread}/comm")?.TrimEnd('\n') == name)];

    /// <summary>None: it is gone.</summary>
    private static string[] Tasks(int pid)
    {
        try
        {
            return Directory.GetDirectories($"/proc/{pid}/task");
        }
        catch (IOException)
        {
            return [];
        }
    }

    /// <summary>Nanoseconds; null: it is gone, or the kernel does not tell.</summary>
    private static long? SliceOf(string directory) => Text($"{directory}/sched")?.Split('\n').FirstOrDefault(static line => line.StartsWith("se.slice", StringComparison.Ordinal)) is { } line
        ? long.Parse(line.AsSpan(line.LastIndexOf(' ') + 1), CultureInfo.InvariantCulture) : null;

    private static string? Text(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (IOException)
        {
            return null; // it is gone
        }
    }

    /// <summary>Null: it is gone.</summary>
    private static int? Niceness(int pid) => Niceness($"/proc/{pid}");

    private static int? Niceness(string directory) => Field(directory, 19);

    /// <summary>0: an ordinary thread. Null: it is gone.</summary>
    private static int? Policy(string directory) => Field(directory, 41);

    /// <param name="directory">Of a process or thread.</param>
    /// <param name="number">As proc(5) counts them, from 3.</param>
    private static int? Field(string directory, int number) =>
        Text($"{directory}/stat") is { } stat ? int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[number - 3], CultureInfo.InvariantCulture) : null;
}
