using System.Runtime.Versioning;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Sandbox;

/// <summary>Commands under a profile whose root is a directory of the operator's: they see that and nothing else of the host.</summary>
[Trait("Promise", "IM1")]
[Collection("runtimes")]
[SupportedOSPlatform("linux")]
public sealed class OwnRootTests : IDisposable
{
    private readonly string _scratch = Directory.CreateTempSubdirectory("wayang-root-").FullName;

    private string Root => Path.Combine(_scratch, "root");

    private string Policy => Path.Combine(_scratch, "policy");

    public void Dispose() => Directory.Delete(_scratch, recursive: true);

    [Theory]
    [InlineData(Account.Root)]
    [InlineData(Account.Unprivileged)]
    public async Task A_command_runs_in_it_and_sees_nothing_else(Account account)
    {
        await PrepareAsync(account);
        await File.WriteAllTextAsync(Path.Combine(_scratch, "secret"), "of the host", TestContext.Current.CancellationToken);
        Directory.CreateSymbolicLink(Path.Combine(Root, "out"), "/");
        Directory.CreateSymbolicLink(Path.Combine(Root, "up"), "../../..");
        File.CreateSymbolicLink(Path.Combine(Root, "secret"), Path.Combine(_scratch, "secret"));

        var end = await ShellAsync(account, "cat /etc/name; ls /; echo ==; id -u; ls /proc/self/fd; ls /dev");
        Assert.True(end.Code == 0, end.ToString());
        Assert.StartsWith("own root\nbin\ndev\n", end.Out, StringComparison.Ordinal);
        Assert.DoesNotContain("usr", end.Out, StringComparison.Ordinal);
        Assert.EndsWith("fd\nfull\nnull\nrandom\nshm\nstderr\nstdin\nstdout\nurandom\nzero\n", end.Out, StringComparison.Ordinal);

        // Each way out ends in the same root, or nowhere.
        string[] ways = ["/..", "/../../..", "/out/..", "/up", "/tmp/..", "/dev/..", "/proc/.."];
        var there = (await ShellAsync(account, string.Join("; echo ==; ", ways.Prepend("/").Select(static w => $"ls {w}/")))).Out.Split("==\n");
        Assert.Equal(ways.Length + 1, there.Length);
        Assert.All(there, listing => Assert.Equal(there[0], listing));
        Assert.StartsWith("bin\ndev\n", there[0], StringComparison.Ordinal);

        string[] attempts =
        [
            "cat /secret", $"cat {_scratch}/secret", "cat /etc/shadow", $"cat /proc/1/root{_scratch}/secret", $"cat /proc/1/cwd/..{_scratch}/secret",
            "ls /image", "ls /usr", "touch /x", "touch /etc/name", "touch /dev/x", "cat /dev/sda",
        ];
        var tried = await ShellAsync(account, string.Join('\n', attempts.Select(static a => $"{a} && echo 'went: {a}'")) + "\necho all");
        Assert.Equal("all\n", tried.Out);

        // The mount itself is closed, not only its files' owners and Landlock.
        var mounts = (await ShellAsync(account, "cat /proc/self/mountinfo")).Out.Split('\n').Select(static l => l.Split(' ')).Where(static f => f.Length > 5).ToList();
        Assert.StartsWith("ro,nosuid,nodev", Assert.Single(mounts, static f => f[4] == "/")[5], StringComparison.Ordinal);
        Assert.StartsWith("ro,", Assert.Single(mounts, static f => f[4] == "/dev")[5], StringComparison.Ordinal);

        Assert.Equal("mine\nx\n", (await ShellAsync(account, "echo mine > /tmp/x && cat /tmp/x && ls /tmp")).Out);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(Root, "tmp")));
    }

    [Fact]
    public async Task What_is_mounted_below_it_is_refused_not_shown()
    {
        await PrepareAsync(Account.Root);
        var end = await Finished.RunAsync(
            Account.Root,
            ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", $"mount -t tmpfs none {Root}/etc && exec \"$@\"", "sh", .. Run("ls /etc")],
            ("WAYANG_POLICY", Policy));
        Assert.Equal(125, end.Code);
        Assert.Contains("file systems mounted below it", end.Err, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_one_is_told_with_file_and_line()
    {
        await PrepareAsync(Account.Unprivileged);
        Directory.CreateSymbolicLink(Path.Combine(_scratch, "link"), Root);
        var profile = Path.Combine(Policy, "small.profile");
        var sound = await File.ReadAllTextAsync(profile, TestContext.Current.CancellationToken);
        foreach (var (wrong, told) in ((string, string)[])[
            ($"{_scratch}/link", "small.profile:1: root: " + _scratch + "/link: a symlink"),
            ($"{_scratch}/none", "small.profile:1: root: " + _scratch + "/none: No such file"),
            ($"{_scratch}/policy", "lacks the directory proc"),
            ("relative", "small.profile:1: root: an absolute path")])
        {
            await File.WriteAllTextAsync(profile, sound.Replace($"root {Root}\n", $"root {wrong}\n", StringComparison.Ordinal), TestContext.Current.CancellationToken);
            foreach (var command in (IReadOnlyList<string>[])[Run("ls /"), [Installation.Wayang, "serve", "--policy", Policy]])
            {
                var end = await Finished.RunAsync(Account.Unprivileged, command, ("WAYANG_POLICY", Policy));
                Assert.Equal(125, end.Code);
                Assert.Contains(told, end.Err, StringComparison.Ordinal);
                Assert.Contains("--policy", end.Err, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public async Task An_unknown_profile_is_told_with_those_that_the_policy_has()
    {
        await PrepareAsync(Account.Unprivileged);
        var end = await Finished.RunAsync(Account.Unprivileged, [Installation.Wayang, "run", "--profile", "smal", "--", "/bin/ls"], ("WAYANG_POLICY", Policy));
        Assert.Equal(125, end.Code);
        Assert.Contains("did you mean small? this node's policy has compute, network, small, standard", end.Err, StringComparison.Ordinal);
    }

    private Task<Finished> ShellAsync(Account account, string script) => Finished.RunAsync(account, Run(script), ("WAYANG_POLICY", Policy));

    private static string[] Run(string script) => [Installation.Wayang, "run", "--profile", "small", "--", "/bin/sh", "-c", script];

    private Task PrepareAsync(Account account) => OwnRoot.PrepareAsync(account, _scratch);
}
