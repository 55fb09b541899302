using System.Runtime.Versioning;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Wayang.Fast.Host.Tests.Oci;
using Xunit;
using static Wayang.Fast.Host.Tests.Oci.LayoutBuilder;

namespace Wayang.Fast.EndToEnd.Tests.Sandbox;

/// <summary>Commands on an image of a layout on disk: unpacked by who starts the runtime, run on its layers, with its environment and directory.</summary>
[Trait("Promise", "IM1")]
[Collection("runtimes")]
[SupportedOSPlatform("linux")]
public sealed class OciTests : IDisposable
{
    private readonly string _scratch = Directory.CreateTempSubdirectory("wayang-oci-").FullName;

    public void Dispose() => Directory.Delete(_scratch, recursive: true);

    [Theory]
    [InlineData(Account.Root)]
    [InlineData(Account.Unprivileged)]
    public async Task A_command_runs_on_the_images_layers(Account account)
    {
        var layout = await PrepareAsync(account);
        layout.Layer(static w =>
        {
            w.WriteEntry(Text("etc/gone", "below"));
            w.WriteEntry(Text("etc/kept", "below\n"));
            w.WriteEntry(Folder("app"));
            w.WriteEntry(Link("host", "/../../../../../../etc/shadow"));
        }).Layer(static w =>
        {
            w.WriteEntry(Text("etc/.wh.gone", ""));
            w.WriteEntry(Text("etc/kept", "above\n"));
        }).Image("v1", new { Env = new[] { "COLOUR=blue", "PATH=/bin" }, WorkingDir = "/app", User = "65534" });
        await using var serve = await ServedRuntime.StartAsync(account, _scratch, $$"""
            http_port: 0
            oci: {store: {{_scratch}}/run/store}
            images:
              - {name: app, kind: command, oci: layout, tag: v1}
              - {name: fixed, kind: command, oci: layout, tag: v1, writable: tmp}
            """);
        Assert.Contains($"image 'app' is ready: commands on {_scratch}/layout:v1, writable by an overlay, under profile image.app\n", serve.Log, StringComparison.Ordinal);
        Assert.Contains("image 'app': the image asks for user '65534'; tasks run as uid 1000", serve.Log, StringComparison.Ordinal);

        var seen = await serve.ShellAsync("app", "cat /etc/kept; [ -e /etc/gone ] || echo gone; echo $COLOUR $PATH; pwd; id -u; cat /host || ls /");
        Assert.Equal((0, "above\ngone\nblue /bin\n/app\n1000\napp\nbin\ndev\netc\nhost\nlib\nlib64\nproc\ntmp\n"), (seen.Code, seen.Out));
        var own = await serve.ShellAsync("app", "echo $COLOUR; pwd", "--env", "COLOUR=red", "--cwd", "/etc");
        Assert.Equal("red\n/etc\n", own.Out);
        Assert.Equal("new\nnew\n", (await serve.ShellAsync("app", "echo new > file; echo new > /etc/kept; cat file /etc/kept")).Out);
        Assert.Equal("above\napp\n", (await serve.ShellAsync("app", "cat /etc/kept; [ -e file ] || echo app")).Out);
        Assert.Equal("above\nno\n", (await serve.ShellAsync("fixed", "cat /etc/kept; (echo x > /etc/kept) 2>/dev/null || echo no")).Out);
        Assert.Single(Directory.EnumerateFileSystemEntries(Path.Combine(_scratch, "run/store")));
    }

    [Fact]
    public async Task A_broken_image_is_told_at_its_line_and_nothing_starts()
    {
        var layout = await PrepareAsync(Account.Unprivileged);
        layout.Image("v1");
        var file = Path.Combine(_scratch, "node.yaml");
        await File.WriteAllTextAsync(file, "oci: {store: /tmp}\nimages: [{name: app, kind: command, oci: layout, tag: v2}]\n", TestContext.Current.CancellationToken);
        foreach (var command in (string[][])[["serve", "--config", file], ["config", "check", file]])
        {
            var end = await Finished.RunAsync(Account.Unprivileged, [Installation.Wayang, .. command], ("XDG_RUNTIME_DIR", _scratch));
            Assert.NotEqual(0, end.Code);
            Assert.Contains($"{file}:2:42: 'images.app.oci': {_scratch}/layout has no tag 'v2'; there are: v1", end.Out + end.Err, StringComparison.Ordinal);
        }

        var good = await Finished.RunAsync(Account.Root, [Installation.Wayang, "images", "unpack", Path.Combine(_scratch, "layout") + ":v1", "--store", Path.Combine(_scratch, "store")]);
        Assert.True(good.Code == 0, good.ToString());
        Assert.True(Directory.Exists(Path.Combine(good.Out.Trim(), "bin")));
        await File.WriteAllTextAsync(layout.BlobPath(layout.LayerDigest), "other", TestContext.Current.CancellationToken);
        var bad = await Finished.RunAsync(Account.Root, [Installation.Wayang, "images", "unpack", Path.Combine(_scratch, "layout"), "--store", Path.Combine(_scratch, "other")]);
        Assert.NotEqual(0, bad.Code);
        Assert.Contains($"layer {layout.LayerDigest}: has 5 bytes, and ", bad.Err, StringComparison.Ordinal);
    }

    /// <summary>A layout whose first layer holds some of this host's programs.</summary>
    private async Task<LayoutBuilder> PrepareAsync(Account account)
    {
        await OwnRoot.PrepareAsync(account, _scratch);
        var root = Path.Combine(_scratch, "root");
        return new LayoutBuilder(Path.Combine(_scratch, "layout")).Layer(w =>
        {
            foreach (var path in Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
            {
                w.WriteEntry(Bytes(Path.GetRelativePath(root, path), File.ReadAllBytes(path), File.GetUnixFileMode(path)));
            }
        });
    }
}
