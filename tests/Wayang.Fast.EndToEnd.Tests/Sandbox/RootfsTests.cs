using System.Runtime.Versioning;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Sandbox;

/// <summary>Commands of an image whose root is a directory of the host: they see it alone, and change it for themselves alone.</summary>
[Trait("Promise", "IM1")]
[Collection("runtimes")]
[SupportedOSPlatform("linux")]
public sealed class RootfsTests : IDisposable
{
    private readonly string _scratch = Directory.CreateTempSubdirectory("wayang-rootfs-").FullName;

    private string Root => Path.Combine(_scratch, "root");

    public void Dispose() => Directory.Delete(_scratch, recursive: true);

    [Theory]
    [InlineData(Account.Root)]
    [InlineData(Account.Unprivileged)]
    public async Task A_command_sees_its_root_and_what_it_writes_there_goes_with_it(Account account)
    {
        await PrepareAsync(account);
        await File.WriteAllTextAsync(Path.Combine(_scratch, "secret"), "of the host", TestContext.Current.CancellationToken);
        File.CreateSymbolicLink(Path.Combine(Root, "secret"), Path.Combine(_scratch, "secret"));
        await using var serve = await ServedRuntime.StartAsync(account, _scratch, $$"""
            http_port: 0
            images:
              - {name: tools, kind: command, rootfs: root}
              - {name: closed, kind: command, rootfs: {{Root}}, writable: tmp}
            """);
        Assert.Contains($"image 'tools' is ready: commands on {Root}, writable by an overlay, under profile image.tools\n", serve.Log, StringComparison.Ordinal);
        Assert.Contains($"image 'closed' is ready: commands on {Root}, read-only but for /tmp, under profile image.closed\n", serve.Log, StringComparison.Ordinal);

        var seen = await serve.ShellAsync("tools", "cat /etc/name; ls /; echo ==; id -u; ls /dev; pwd");
        Assert.Equal((0, "own root\nbin\ndev\netc\nlib\nlib64\nproc\nsecret\ntmp\n==\n1000\nfd\nfull\nnull\nrandom\nshm\nstderr\nstdin\nstdout\nurandom\nzero\n/tmp\n"), (seen.Code, seen.Out));

        // New files, changed, removed; whole directories; nothing of it is there for the next one, nor on the host.
        var changed = await serve.ShellAsync(
            "tools", "set -e; echo more >> /etc/name; cat /etc/name; rm /bin/id; mkdir -p /a/b; echo x > /a/b/c; rm -r /a/b; mkdir /a/b; ls /a/b /bin; echo t > /tmp/t; cat /tmp/t");
        Assert.Equal((0, "own root\nmore\n/a/b:\n\n/bin:\ncat\nls\nmkdir\nrm\nsh\ntouch\nt\n"), (changed.Code, changed.Out));
        var next = await serve.ShellAsync("tools", "cat /etc/name; ls /bin /tmp; [ -e /a ] || echo gone");
        Assert.Equal("own root\n/bin:\ncat\nid\nls\nmkdir\nrm\nsh\ntouch\n\n/tmp:\ngone\n", next.Out);
        Assert.Equal("own root\n", await File.ReadAllTextAsync(Path.Combine(Root, "etc/name"), TestContext.Current.CancellationToken));
        Assert.True(File.Exists(Path.Combine(Root, "bin/id")));
        Assert.False(Directory.Exists(Path.Combine(Root, "a")));

        await NothingOfTheHostAsync(serve, "tools");
        await NothingOfTheHostAsync(serve, "closed");
        var closed = await serve.ShellAsync("closed", "for f in /x /etc/name /etc/x; do echo x > $f; done; echo mine > /tmp/x && cat /tmp/x /etc/name");
        Assert.Equal("mine\nown root\n", closed.Out);
        Assert.Equal(3, closed.Err.Split("cannot create").Length - 1);
    }

    /// <summary>What is written to the root counts as what is written to /tmp does.</summary>
    [Theory]
    [InlineData(Account.Root)]
    [InlineData(Account.Unprivileged)]
    [Trait("Promise", "RA2")]
    public async Task What_is_written_to_the_root_is_bounded_and_files_and_secrets_have_their_place(Account account)
    {
        await PrepareAsync(account);
        await using var serve = await ServedRuntime.StartAsync(account, _scratch, "http_port: 0\nimages: [{name: tools, kind: command, rootfs: root}]\n");
        var full = await serve.ShellAsync("tools", "i=0; while [ $i -lt 12 ]; do cat /bin/* > /etc/big$i || exit 3; i=$((i+1)); done", "--disk", "4M");
        Assert.NotEqual(0, full.Code);
        Assert.Contains("disk_quota", full.Err, StringComparison.Ordinal);

        var input = Path.Combine(_scratch, "input");
        await File.WriteAllTextAsync(input, "given\n", TestContext.Current.CancellationToken);
        File.SetUnixFileMode(input, UnixFileMode.UserRead | UnixFileMode.OtherRead);
        var files = await serve.ShellAsync("tools", "cat input /run/secrets/token; echo x > /run/secrets/y", "--input", input, "--secret", $"token=@{input}");
        Assert.True(files.Out == "given\ngiven\n", files.ToString());
    }

    [Fact]
    public async Task A_root_that_cannot_be_one_is_told_with_its_reason_and_costs_no_other_image()
    {
        await PrepareAsync(Account.Unprivileged);
        foreach (var (name, mode) in ((string, string)[])[("open", "0777"), ("lacking", "0755")])
        {
            var made = await Finished.RunAsync(Account.Root, ["/bin/sh", "-c", $"mkdir -m {mode} {_scratch}/{name} && mkdir {_scratch}/{name}/proc"]);
            Assert.True(made.Code == 0, made.ToString());
        }

        await using var serve = await ServedRuntime.StartAsync(Account.Unprivileged, _scratch, """
            http_port: 0
            images:
              - {name: good, kind: command, rootfs: root}
              - {name: open, kind: command, rootfs: open}
              - {name: lacking, kind: command, rootfs: lacking}
              - {name: pure, kind: command, rootfs: root, profile: compute}
            """);
        Assert.Contains($"node.yaml:4:41 (commands) is not there: profile \"image.open\": root: {_scratch}/open: others may write it; remedy: chmod go-w", serve.Log, StringComparison.Ordinal);
        Assert.Contains($"\"image.lacking\": root: {_scratch}/lacking lacks the directory dev; remedy: mkdir dev in it", serve.Log, StringComparison.Ordinal);
        Assert.Contains("\"image.pure\": root: its base has no files", serve.Log, StringComparison.Ordinal);
        Assert.Equal("own root\n", (await serve.RunAsync("--image", "good", "--", "/bin/cat", "/etc/name")).Out);
        Assert.Contains("no image 'open' of kind command; there are good", (await serve.RunAsync("--image", "open", "--", "ls")).Err, StringComparison.Ordinal);
        Assert.Contains("others may write it", (await serve.RunAsync("--profile", "image.open", "--", "ls")).Err, StringComparison.Ordinal);
    }

    /// <summary>The same root, profile and limits under an OCI runtime of the distribution.</summary>
    [Fact]
    [Trait("Promise", "IM4")]
    public async Task Crun_runs_the_commands_of_an_image_with_the_same_ends_limits_and_closedness()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/crun"), "crun is not installed");
        await PrepareAsync(Account.Root);
        await using var serve = await ServedRuntime.StartAsync(Account.Root, _scratch, """
            http_port: 0
            images:
              - {name: tools, kind: command, rootfs: root, isolation: crun}
              - {name: closed, kind: command, rootfs: root, writable: tmp, isolation: crun}
              - {name: other, kind: command, rootfs: root, isolation: runc}
            """);
        Assert.Contains($"image 'tools' is ready: commands on {Root}, writable by an overlay, run by crun, under profile image.tools\n", serve.Log, StringComparison.Ordinal);
        Assert.Contains("\"image.other\": isolation: runc moves a task out of the control groups that hold its limits; use crun", serve.Log, StringComparison.Ordinal);
        var seen = await serve.ShellAsync("tools", "cat /etc/name; echo more >> /etc/name; cat /etc/name; echo err >&2; exit 7", "--disk", "32M");
        Assert.Equal((7, "own root\nown root\nmore\n"), (seen.Code, seen.Out));
        Assert.Contains("err\n", seen.Err, StringComparison.Ordinal);
        Assert.Equal("own root\n", (await serve.ShellAsync("tools", "cat /etc/name; ls /tmp")).Out);
        var closed = await serve.ShellAsync("closed", "echo x > /etc/name; echo mine > /tmp/x && cat /tmp/x /etc/name");
        Assert.Equal("mine\nown root\n", closed.Out);
        var late = await serve.ShellAsync("tools", "while :; do :; done", "--timeout", "1s");
        Assert.Contains("timeout", late.Err, StringComparison.Ordinal);
        var full = await serve.ShellAsync("tools", "i=0; while [ $i -lt 12 ]; do cat /bin/* > /etc/big$i || exit 3; i=$((i+1)); done", "--disk", "4M");
        Assert.Contains("disk_quota", full.Err, StringComparison.Ordinal);
        var files = await serve.ShellAsync("tools", "true", "--secret", "token=env:PATH");
        Assert.Contains("isolation: native", files.Err, StringComparison.Ordinal);
        await NothingOfTheHostAsync(serve, "tools", own: false);
    }

    [Fact]
    [Trait("Promise", "IM4")]
    public async Task An_oci_runtime_is_refused_with_the_reason_where_it_cannot_be_had()
    {
        await PrepareAsync(Account.Unprivileged);
        await using var serve = await ServedRuntime.StartAsync(Account.Unprivileged, _scratch, """
            http_port: 0
            images:
              - {name: good, kind: command, rootfs: root}
              - {name: boxed, kind: command, rootfs: root, isolation: crun}
            """);
        Assert.Contains("\"image.boxed\": isolation: crun is for a runtime that root started; native works without", serve.Log, StringComparison.Ordinal);
        Assert.Equal("own root\n", (await serve.ShellAsync("good", "cat /etc/name")).Out);
    }

    private static async Task NothingOfTheHostAsync(ServedRuntime serve, string image, bool own = true)
    {
        string[] attempts =
        [
            "cat /secret", "cat /etc/shadow", "cat /proc/1/root/etc/shadow", "cat /proc/1/cwd/../etc/shadow", "ls /image", "ls /usr", "ls /tmp/upper", "ls /tmp/work",
            "ls /tmp/root", "echo x > /dev/x", "cat /dev/sda", "echo core > /proc/sys/kernel/core_pattern",
        ];
        var tried = await serve.ShellAsync(image, string.Join('\n', attempts.Select(static a => $"{{ {a}; }} && echo 'went: {a}'")) + "\necho all");
        Assert.Equal("all\n", tried.Out);
        var mounts = (await serve.ShellAsync(image, "cat /proc/self/mountinfo")).Out.Split('\n').Select(static l => l.Split(' ')).Where(static f => f.Length > 5).ToList();
        Assert.All(mounts, f => Assert.Matches(own ? "^/($|dev($|/)|proc$|tmp$)" : "^/($|dev($|/)|proc($|/)|tmp$)", f[4]));
        if (!own)
        {
            return; // an OCI runtime mounts the root and what it masks by itself; no_new_privs stands for nosuid
        }

        Assert.All(mounts, static f => Assert.Contains("nosuid", f[5], StringComparison.Ordinal));
        Assert.All(mounts.Where(static f => f[4] is "/" or "/tmp"), static f => Assert.Contains("nodev", f[5], StringComparison.Ordinal));
    }

    /// <summary>A root that belongs to who starts the runtime.</summary>
    private async Task PrepareAsync(Account account)
    {
        await OwnRoot.PrepareAsync(account, _scratch);
        if (account == Account.Unprivileged && Installation.IsRoot)
        {
            var owned = await Finished.RunAsync(Account.Root, ["chown", "-R", "65534:65534", Root]);
            Assert.True(owned.Code == 0, owned.ToString());
        }
    }
}
