using System.Runtime.Versioning;
using System.Text.Json;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Doctor;

/// <summary><c>wayang doctor</c> on this host: its verdicts against independent observations, and against hosts made poorer.</summary>
[Trait("Promise", "SX1")]
[SupportedOSPlatform("linux")]
public sealed class DoctorTests
{
    private static readonly string Deny = Path.Combine(Path.GetDirectoryName(Installation.Orphanage)!, "deny");

    private static readonly string[] Checks =
    [
        "kernel.version", "kernel.clone3", "kernel.pidfd", "kernel.pidfd_getfd", "kernel.openat2", "kernel.execveat", "kernel.close_range", "kernel.memfd_seals",
        "namespaces.user", "namespaces.mount", "namespaces.pid", "namespaces.net", "namespaces.ipc", "namespaces.uts", "namespaces.cgroup", "namespaces.time",
        "namespaces.together", "namespaces.nested", "namespaces.unprivileged",
        "sandbox.no_new_privs", "sandbox.seccomp", "sandbox.seccomp_notify", "sandbox.landlock", "sandbox.proc", "sandbox.tmpfs", "sandbox.root", "sandbox.overlay",
        "groups.version", "groups.memory", "groups.pids", "groups.cpu", "groups.cpu_cap", "groups.io", "groups.freezer", "groups.kill", "groups.pressure",
        "limits.open_files", "limits.processes", "limits.locked_memory", "limits.pid_max", "limits.threads_max", "limits.map_count", "limits.inotify_instances",
        "memory.shm", "memory.total", "memory.swap", "memory.huge_pages", "memory.reserved_huge_pages",
        "host.clock_source", "host.time_sync", "host.perf_events", "host.processors", "host.cpu_features", "host.kernel_console",
        "disk.project_quota", "disk.loop", "disk.image", "software.python3", "software.libpython", "software.numpy", "software.msgpack", "software.crun", "software.runsc", "accelerator.gpu",
        "migration.ptrace", "migration.process_vm_readv", "migration.userfaultfd", "migration.write_protect", "migration.pagemap_scan",
        "installation.files", "installation.owner", "installation.runtime_dir", "installation.policy", "installation.uid_range", "installation.socket",
        "installation.runtime",
    ];

    [Theory]
    [InlineData(Account.Root)]
    [InlineData(Account.Unprivileged)]
    public async Task The_json_has_its_structure_and_every_check(Account account)
    {
        var (end, report) = await ExamineAsync(account, []);
        using (report)
        {
            var root = report.RootElement;
            Assert.Equal(["schema", "ok", "uid", "counts", "checks"], root.EnumerateObject().Select(static p => p.Name));
            Assert.Equal(1, root.GetProperty("schema").GetInt32());
            Assert.Equal(account == Account.Root ? 0 : Installation.IsRoot ? 65534 : root.GetProperty("uid").GetInt32(), root.GetProperty("uid").GetInt32());
            Assert.Equal(["ok", "degraded", "missing", "unknown"], root.GetProperty("counts").EnumerateObject().Select(static p => p.Name));
            var checks = root.GetProperty("checks").EnumerateArray().ToList();
            Assert.Equal(Checks, checks.Select(Name));
            Assert.Equal(checks.Count, root.GetProperty("counts").EnumerateObject().Sum(static p => p.Value.GetInt32()));
            foreach (var check in checks)
            {
                Assert.Equal(["group", "name", "level", "required", "value", "cost", "remedy"], check.EnumerateObject().Select(static p => p.Name));
                var level = check.GetProperty("level").GetString();
                Assert.Contains(level, (string[])["ok", "degraded", "missing", "unknown"]);
                Assert.NotEqual("", check.GetProperty("value").GetString());
                if (level is "degraded" or "missing")
                {
                    Assert.NotEqual("", check.GetProperty("cost").GetString());
                    Assert.NotEqual("", check.GetProperty("remedy").GetString());
                    Assert.DoesNotContain('<', check.GetProperty("remedy").GetString()!);
                }
            }

            // This host runs the other tests of this suite: what is required is here.
            Assert.True(root.GetProperty("ok").GetBoolean(), end.ToString());
            Assert.Equal(0, end.Code);
        }
    }

    [Theory]
    [InlineData(Account.Root)]
    [InlineData(Account.Unprivileged)]
    public async Task Verdicts_are_those_of_independent_observers(Account account)
    {
        var (_, report) = await ExamineAsync(account, []);
        using (report)
        {
            var checks = report.RootElement.GetProperty("checks").EnumerateArray().ToDictionary(Name, static c => c, StringComparer.Ordinal);
            Assert.Contains((await ObserveAsync(account, "uname -r")).Out.Trim(), Value("kernel.version"), StringComparison.Ordinal);
            await SameAsync("namespaces.user", "unshare -Ur true");
            await SameAsync("namespaces.net", "unshare -Urn true");
            await SameAsync("sandbox.proc", "unshare -Urmpf --mount-proc true");
            await SameAsync("groups.pressure", "cat /proc/pressure/memory");
            await SameAsync("software.python3", "/usr/bin/python3 -I -c pass");
            await SameAsync("software.numpy", "/usr/bin/python3 -I -c 'import numpy'");
            await SameAsync("software.msgpack", "/usr/bin/python3 -I -c 'import msgpack'");
            await SameAsync("disk.loop", "test -w /dev/loop-control");
            await SameAsync("memory.huge_pages", "! grep -q '\\[never\\]' /sys/kernel/mm/transparent_hugepage/enabled");
            await SameAsync("sandbox.landlock", Python("import ctypes, sys; sys.exit(ctypes.CDLL(None).syscall(444, None, 0, 1) < 1)"));
            await SameAsync("migration.userfaultfd", Python("import ctypes, platform, sys; sys.exit(ctypes.CDLL(None).syscall(323 if platform.machine() == 'x86_64' else 282, 1) < 0)"));
            Assert.Contains(
                (await ObserveAsync(account, Python("import ctypes; print('ABI', ctypes.CDLL(None).syscall(444, None, 0, 1))"))).Out.Trim(),
                Level("sandbox.landlock") == "ok" ? Value("sandbox.landlock") : "ABI -1", StringComparison.Ordinal);
            Assert.Contains((await ObserveAsync(account, Python("import resource; print(resource.getrlimit(resource.RLIMIT_NOFILE)[1])"))).Out.Trim(), Value("limits.open_files"), StringComparison.Ordinal);
            Assert.Equal((await ObserveAsync(account, "cat /sys/devices/system/clocksource/clocksource0/current_clocksource")).Out.Trim(), Value("host.clock_source"));
            Assert.Equal((await ObserveAsync(account, "ls /dev | grep -c '^nvidia[0-9]'")).Out.Trim() == "0", Value("accelerator.gpu") == "none" || Level("accelerator.gpu") != "ok");
            var kinds = (await ObserveAsync(account, "cut -d' ' -f3 /proc/self/mounts | grep '^cgroup' | sort -u | tr '\\n' ' '")).Out.Trim();
            Assert.Equal(kinds switch { "cgroup cgroup2" => "hybrid", "cgroup" => "v1", "cgroup2" => "v2", _ => "none mounted" }, Value("groups.version"));

            string Level(string name) => checks[name].GetProperty("level").GetString()!;
            string Value(string name) => checks[name].GetProperty("value").GetString()!;
            async Task SameAsync(string name, string shell)
            {
                var seen = await ObserveAsync(account, shell);
                Assert.True(seen.Code == 0 == (Level(name) == "ok"), $"{name}: doctor says {Level(name)} ({Value(name)}), '{shell}' says {seen}");
            }
        }
    }

    /// <summary>System calls are taken away: the verdict turns, and with it the exit code where the thing is required.</summary>
    [Theory]
    [InlineData("sandbox", "landlock", "degraded", "landlock_create_ruleset=38")]
    [InlineData("sandbox", "seccomp", "missing", "seccomp=22")]
    [InlineData("sandbox", "seccomp_notify", "missing", "seccomp=22")]
    [InlineData("sandbox", "tmpfs", "missing", "fsopen=1")]
    [InlineData("sandbox", "root", "missing", "mount_setattr=38")]
    [InlineData("sandbox", "root", "missing", "pivot_root=1")]
    [InlineData("namespaces", "user", "missing", "clone3=38")]
    [InlineData("namespaces", "nested", "missing", "unshare=1")]
    [InlineData("kernel", "openat2", "missing", "openat2=38")]
    [InlineData("kernel", "pidfd", "missing", "pidfd_open=38")]
    [InlineData("kernel", "pidfd_getfd", "missing", "pidfd_getfd=1")]
    [InlineData("kernel", "execveat", "missing", "execveat=1")]
    [InlineData("kernel", "memfd_seals", "missing", "memfd_create=38")]
    [InlineData("kernel", "close_range", "missing", "close_range=38")]
    [InlineData("migration", "ptrace", "degraded", "ptrace=1")]
    [InlineData("migration", "ptrace", "degraded", "ptrace=kill")]
    [InlineData("migration", "process_vm_readv", "degraded", "process_vm_readv=1")]
    [InlineData("migration", "userfaultfd", "degraded", "userfaultfd=1")]
    public async Task A_feature_that_is_taken_away_turns_the_verdict(string group, string name, string level, string denied)
    {
        var (before, untouched) = await ExamineAsync(Account.Unprivileged, [], "--only", group);
        untouched.Dispose();
        var (end, report) = await ExamineAsync(Account.Unprivileged, [Deny, denied, "--"], "--only", group);
        using (report)
        {
            Assert.Equal(level, Find(report, $"{group}.{name}").GetProperty("level").GetString());
            Assert.Equal(0, before.Code);
            Assert.Equal(level == "missing" ? 1 : 0, end.Code);
        }
    }

    [Fact]
    public async Task Namespaces_that_the_administrator_forbids_are_told_with_the_command_that_allows_them()
    {
        Finished.Require(Account.Unprivileged);
        Assert.SkipUnless((await Finished.RunAsync(Account.Unprivileged, ["unshare", "-Ur", "true"])).Code == 0, "unshare(1) makes no user namespace here");
        var (end, report) = await ExamineAsync(
            Account.Unprivileged, ["unshare", "-Ur", "/bin/sh", "-c", "echo 0 > /proc/sys/user/max_user_namespaces; exec \"$@\"", "sh"], "--only", "namespaces");
        using (report)
        {
            var check = Find(report, "namespaces.user");
            Assert.Equal("missing", check.GetProperty("level").GetString());
            Assert.Equal("sysctl -w user.max_user_namespaces=15000", check.GetProperty("remedy").GetString());
            Assert.Equal(1, end.Code);
        }
    }

    [Theory]
    [InlineData(100, "missing", 1)]
    [InlineData(2000, "degraded", 0)]
    public async Task A_low_limit_of_descriptors_is_judged(int limit, string level, int code)
    {
        var (end, report) = await ExamineAsync(Account.Unprivileged, ["/bin/sh", "-c", $"ulimit -n {limit}; exec \"$@\"", "sh"], "--only", "limits");
        using (report)
        {
            Assert.Equal(level, Find(report, "limits.open_files").GetProperty("level").GetString());
            Assert.Equal(code, end.Code);
        }
    }

    [Fact]
    public async Task Groups_that_are_not_mounted_are_degraded_and_nothing_of_the_trials_stays()
    {
        Finished.Require(Account.Root);
        var (end, report) = await ExamineAsync(Account.Root, ["unshare", "--mount", "/bin/sh", "-c", "umount -l /sys/fs/cgroup; exec \"$@\"", "sh"], "--only", "groups");
        using (report)
        {
            Assert.All((string[])["version", "memory", "pids", "cpu"], name => Assert.Equal("degraded", Find(report, "groups." + name).GetProperty("level").GetString()));
            Assert.Equal(0, end.Code);
        }

        var (_, usual) = await ExamineAsync(Account.Root, [], "--only", "groups");
        usual.Dispose();
        Assert.Empty((await Finished.RunAsync(Account.Root, ["/bin/sh", "-c", "find /sys/fs/cgroup -maxdepth 6 -type d -name 'wayang-probe-*'"])).Out);
    }

    [Fact]
    public async Task A_wrong_policy_is_missing_with_file_and_line()
    {
        Finished.Require(Account.Unprivileged);
        var policy = Directory.CreateTempSubdirectory("wayang-policy-").FullName;
        try
        {
            foreach (var file in Directory.EnumerateFiles(Path.Combine(Installation.NativeDirectory, "policy")))
            {
                File.Copy(file, Path.Combine(policy, Path.GetFileName(file)));
            }

            File.SetUnixFileMode(policy, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);
            await File.AppendAllTextAsync(Path.Combine(policy, "policy.conf"), "uid_frist 1\n", TestContext.Current.CancellationToken);
            var (end, report) = await ExamineAsync(Account.Unprivileged, [], "--only", "installation", "--policy", policy);
            using (report)
            {
                var check = Find(report, "installation.policy");
                Assert.Equal("missing", check.GetProperty("level").GetString());
                Assert.Matches("^policy.conf:[0-9]+: uid_frist", check.GetProperty("value").GetString());
                Assert.Equal(1, end.Code);
            }
        }
        finally
        {
            Directory.Delete(policy, recursive: true);
        }
    }

    [Fact]
    public async Task The_text_fits_the_screen_and_ends_with_a_summary()
    {
        Finished.Require(Account.Unprivileged);
        var end = await Finished.RunAsync(Account.Unprivileged, [Installation.Wayang, "doctor"]);
        var lines = end.Out.TrimEnd('\n').Split('\n');
        Assert.All(lines, static line => Assert.True(line.Length <= 100 || !line.TrimStart().Contains(' ', StringComparison.Ordinal), line));
        Assert.DoesNotContain('\e', end.Out);
        Assert.Contains("All that sandboxed tasks require is there.", string.Join(' ', lines[^2..]), StringComparison.Ordinal);
        Assert.Equal(2, (await Finished.RunAsync(Account.Unprivileged, [Installation.Wayang, "doctor", "--only", "kernle"])).Code);
    }

    private static string Python(string script) => $"/usr/bin/python3 -I -c \"{script}\"";

    private static Task<Finished> ObserveAsync(Account account, string shell) => Finished.RunAsync(account, ["/bin/sh", "-c", shell]);

    private static string Name(JsonElement check) => $"{check.GetProperty("group").GetString()}.{check.GetProperty("name").GetString()}";

    private static JsonElement Find(JsonDocument report, string name) =>
        Assert.Single(report.RootElement.GetProperty("checks").EnumerateArray(), c => Name(c) == name);

    private static async Task<(Finished End, JsonDocument Report)> ExamineAsync(Account account, string[] launcher, params string[] arguments)
    {
        Finished.Require(account);
        Assert.SkipUnless(File.Exists(Deny), $"{Deny} does not exist: build first with './build.sh build'");
        var end = await Finished.RunAsync(account, [.. launcher, Installation.Wayang, "doctor", "--json", .. arguments]);
        Assert.True(end.Out.StartsWith('{'), end.ToString());
        return (end, JsonDocument.Parse(end.Out));
    }
}
