using System.Globalization;
using System.Runtime.Versioning;
using System.Security.Cryptography;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Escape;

/// <summary>
/// The file that an image was read of is exchanged behind its name. What was put is what is opened, each time: the content travels, not the path.
/// </summary>
[Trait("Promise", "SX1")]
[Trait("Promise", "IM2")]
[Collection("runtimes")]
[SupportedOSPlatform("linux")]
public sealed class SwappedFileTests : ServeTest
{
    private const int Bound = 300_000;

    private static readonly string s_plugins = Path.Combine(Installation.NativeDirectory, "..", "tests", "plugins");
    private static readonly string s_good = Path.GetFullPath(Path.Combine(s_plugins, "test_plugin.so"));
    private static readonly string s_other = Path.GetFullPath(Path.Combine(s_plugins, "loaded_read_shadow.so"));

    private string Link => Path.Combine(Scratch, "image.so");

    [Fact(Timeout = Bound)]
    public async Task An_image_that_is_opened_again_is_what_was_put_whatever_its_name_leads_to_now()
    {
        Lead(s_good);
        Configure("http_port: 0\nimages: [{name: swapped, kind: c, file: image.so, profile: standard}]\n");
        await using var serve = await StartAsync();
        await Eventually.TrueAsync($"the image is there:\n{serve.Log}", () => serve.Log.Contains("image 'swapped' is ready", StringComparison.Ordinal));
        await CheckAsync();
        Lead(s_other);
        var zygotes = Zygotes(serve);
        Assert.NotEmpty(zygotes);
        zygotes.ForEach(static z => Signals.Kill(z.Pid));
        await Eventually.TrueAsync("its zygote is another one", () => Zygotes(serve) is { Count: > 0 } now && now.TrueForAll(z => zygotes.TrueForAll(old => old.Pid != z.Pid)));
        await CheckAsync();
        await EndAsync(serve);

        async Task CheckAsync()
        {
            await using var client = await ConnectAsync(serve);
            var image = (await client.ListImagesAsync()).Single(static i => i.Name == "swapped");
            Assert.Equal(Convert.ToHexStringLower(await SHA256.HashDataAsync(File.OpenRead(s_good))), image.Image);
            Assert.Contains("echo", image.Functions);
        }
    }

    [Fact(Timeout = Bound)]
    public async Task A_name_that_changes_while_it_is_put_gives_one_file_or_the_other()
    {
        Lead(s_good);
        Configure("http_port: 0\n");
        await using var serve = await StartAsync();
        string[] whole = [Convert.ToHexStringLower(SHA256.HashData(await File.ReadAllBytesAsync(s_good))), Convert.ToHexStringLower(SHA256.HashData(await File.ReadAllBytesAsync(s_other)))];
        using var enough = new CancellationTokenSource();
        var swaps = 0;
        var swapping = Task.Run(() =>
        {
            for (; !enough.IsCancellationRequested; swaps++)
            {
                Lead(swaps % 2 == 0 ? s_other : s_good);
            }
        });
        await ConnectAsync(serve).ContinueWith(static c => c.Result.DisposeAsync().AsTask(), TaskScheduler.Default).Unwrap();
        for (var i = 0; i < 8; i++)
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"racing-{i}");
            var (code, told, errors) = await WayangAsync(["images", "put", Link, "--name", name, "--socket", SocketOf(serve)]);
            Assert.True(code == 0, told + errors);
            await using var client = await ConnectAsync(serve);
            Assert.Contains((await client.ListImagesAsync()).Single(one => one.Name == name).Image, whole);
        }

        await enough.CancelAsync();
        await swapping;
        Assert.True(swaps > 100, $"{swaps} swaps");
        await EndAsync(serve);
    }

    private static List<ProcessEntry> Zygotes(Orphanage serve) => serve.Processes().FindAll(static p => p is { Name: "wayang-zygote", NamespaceDepth: 2, IsZombie: false });

    /// <summary>The name leads there from one moment to the next.</summary>
    private void Lead(string to)
    {
        var next = Link + ".next";
        File.CreateSymbolicLink(next, to);
        File.Move(next, Link, overwrite: true);
    }
}
