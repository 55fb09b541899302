using System.Globalization;
using System.Runtime.Versioning;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Configuration;

/// <summary>A real <c>wayang serve</c> with a configuration that only its starter may read: start, reload, restart of the daemon.</summary>
[Collection("runtimes")]
[Trait("Promise", "CFG")]
[SupportedOSPlatform("linux")]
public sealed class ReloadTests : ServeTest
{
    private const int Bound = 300_000;

    public ReloadTests() => File.Copy(Installation.SlowPlugin, Path.Combine(Scratch, "slow.so"));

    [Fact(Timeout = Bound)]
    public async Task Images_and_the_environment_reach_the_daemon_also_one_that_was_started_again()
    {
        var port = FreePort();
        var readiness = new Uri($"http://127.0.0.1:{port.ToString(CultureInfo.InvariantCulture)}/readyz");
        Configure($$$$"""
            http_port: {{{{port}}}}
            images:
              - {name: slow, kind: c, file: slow.so, profile: standard}
              - {name: broken, kind: c, file: node.yaml}
            runtime: {agents: {task_runner: {max_concurrent_tasks: 7}, model_inference: {batch_size: 32}}}
            """);
        await using var serve = await StartAsync(("WAYANG__LIMITS__STREAM_BYTES", "5000"));
        await CheckAsync();
        var image = await ImageAsync(serve);
        Assert.Contains("node.yaml:5:90: 'runtime.agents.model_inference.batch_size': is read and checked, but not active yet", serve.Log, StringComparison.Ordinal);
        Assert.Contains("warning: image 'broken'", serve.Log, StringComparison.Ordinal);
        using (var http = new HttpClient())
        {
            Assert.Equal("ready\nimage 'broken' failed: data is no ELF shared library\n", await http.GetStringAsync(readiness));
        }

        Signals.Kill(DaemonOf(serve));
        await Eventually.TrueAsync("the daemon is started again and ready", () => Count(serve.Log, "info: serving at ") == 2);
        await CheckAsync();
        Assert.Equal(image, await ImageAsync(serve));
        Assert.Equal(1, Count(serve.Log, "not active yet"));

        // What is no longer wanted is no longer missed.
        Configure($"http_port: {port.ToString(CultureInfo.InvariantCulture)}\nimages: [{{name: slow, kind: c, file: slow.so, profile: standard}}]\n");
        Assert.Equal(0, (await ReloadAsync(serve)).Code);
        using (var http = new HttpClient())
        {
            await Eventually.ValueAsync("ready without remarks", async () => await http.GetStringAsync(readiness) is "ready\n" ? "" : null);
        }

        await EndAsync(serve);

        async Task CheckAsync()
        {
            await using var client = await ConnectAsync(serve);
            var limits = (await client.NodeInfoAsync()).Limits;
            Assert.Equal((5000, 7), (limits["max_stream_bytes"], limits["max_concurrent_tasks"]));
        }
    }

    [Fact(Timeout = Bound)]
    public async Task A_reload_applies_all_or_nothing_and_tells_what_changed()
    {
        Configure("http_port: 0\nlimits: {queued_tasks: 1000, default_timeout_ms: 1000}\nimages: [{name: slow, kind: c, file: slow.so}]\n");
        await using var serve = await StartAsync();
        var image = await ImageAsync(serve);

        // One wrong word: nothing of it is taken, whoever asks for it.
        Configure("http_port: 0\nlimits: {queued_tasks: 5, default_timeout_m: 1000}\n");
        var (code, _, errors) = await ReloadAsync(serve);
        Assert.Equal(1, code);
        Assert.Equal($"wayang: {ConfigurationPath}:2:27: 'limits.default_timeout_m': no such key; did you mean 'limits.default_timeout_ms'?\n        Nothing was changed.\n", errors);
        Signals.Send("HUP", serve.ProgramPid);
        await Eventually.TrueAsync("the refusal is told", () => serve.Log.Contains("reload refused, nothing was changed:\n" + ConfigurationPath + ":2:27: ", StringComparison.Ordinal));
        Assert.Equal((1000, 1000), await LimitsAsync(serve));

        File.AppendAllText(Path.Combine(Scratch, "slow.so"), "other content, which the loader does not look at");
        Configure("http_port: 7999\nlimits: {queued_tasks: 5, default_timeout_ms: 2000}\nretention: {tasks: 200000}\nimages: [{name: slow, kind: c, file: slow.so}]\n");
        (code, var output, errors) = await ReloadAsync(serve);
        Assert.Equal((0, ""), (code, errors));
        Assert.StartsWith("reloaded; the log of wayang serve (pid ", output, StringComparison.Ordinal);
        Assert.Equal((5, 2000), await LimitsAsync(serve));
        await Eventually.TrueAsync("the changed image is put", () => Count(serve.Log, "image 'slow' is ready") == 2);
        Assert.NotEqual(image, await ImageAsync(serve));
        Assert.Equal(
            [
                "wayang: warning: reload: http_port: 0 -> 7999 needs a restart of the runtime; until then 0",
                "wayang: info: reload: limits.default_timeout_ms: 1000 -> 2000",
                "wayang: info: reload: limits.queued_tasks: 1000 -> 5",
                "wayang: warning: reload: retention.tasks: 100000 -> 200000 needs a restart of the runtime; until then 100000",
                "wayang: info: reload: done, 2 of 4 changes in force",
            ],
            serve.Log.Split('\n').Where(static l => l.Contains(" reload: ", StringComparison.Ordinal)));
        await EndAsync(serve);
    }

    /// <summary>The operator names where commands run; whoever asks uses the name.</summary>
    [Fact(Timeout = Bound)]
    [Trait("Promise", "IM1")]
    public async Task An_image_of_kind_command_runs_them_in_its_profiles_root()
    {
        Assert.SkipUnless(Installation.IsRoot, "a policy of one's own is asked for as root here");
        await OwnRoot.PrepareAsync(Account.Root, Scratch);
        Configure("""
            http_port: 0
            images:
              - {name: tools, kind: command, profile: small}
              - {name: plain, kind: command}
              - {name: slow, kind: c, file: slow.so}
            """);
        await using var serve = await StartAsync(("WAYANG_POLICY", Path.Combine(Scratch, "policy")));
        Assert.Contains("image 'tools' is ready: commands under profile small\n", serve.Log, StringComparison.Ordinal);
        Assert.DoesNotContain("not active yet", serve.Log, StringComparison.Ordinal);

        Assert.Equal((0, "own root\n", ""), await RunAsync("--image", "tools", "--", "/bin/cat", "/etc/name"));
        Assert.Equal((0, "own root\n", ""), await RunAsync("--image", "tools", "--profile", "small", "--", "/bin/cat", "/etc/name"));
        Assert.Equal((0, "plain\n", ""), await RunAsync("--image", "plain", "--", "sh", "-c", "[ -e /etc/name ] || echo plain"));
        await RefusedAsync("did you mean tools? there are plain, tools", "--image", "tols", "--", "ls");
        await RefusedAsync("'slow' is an image of functions: use it with kind call", "--image", "slow", "--", "ls");
        await RefusedAsync("image 'tools' runs commands under profile small, and the task asks for standard; leave one of them out", "--image", "tools", "--profile", "standard", "--", "ls");
        await RefusedAsync("'tools' is an image of kind command, which has no functions", "c", "tools:ls");
        await RefusedAsync("--image belongs to commands", "c", "slow:ls", "--image", "tools");
        await using var client = await ConnectAsync(serve);
        var listed = (await client.ListImagesAsync()).Where(static i => i.Kind == "command").Select(static i => (i.Name, i.Profile, i.State));
        Assert.Equal([("plain", "standard", "ready"), ("tools", "small", "ready")], listed);

        // The name comes to mean another place, also for a connection that knows it; what commands cannot run under is told.
        var task = TaskSpec.Command("sh", "-c", "[ -e /etc/name ] && echo own || echo plain") with { Image = "tools" };
        Assert.Equal("own\n"u8.ToArray(), (await client.RunAsync(task)).Stdout.ToArray());
        Configure("http_port: 0\nimages: [{name: tools, kind: command, profile: standard}, {name: pure, kind: command, profile: compute}]\n");
        Assert.Equal(0, (await ReloadAsync(serve)).Code);
        await Eventually.TrueAsync("the last one is told", () => serve.Log.Contains("a command cannot run under profile compute", StringComparison.Ordinal));
        Assert.Equal("plain\n"u8.ToArray(), (await client.RunAsync(task)).Stdout.ToArray());
        await EndAsync(serve);

        Task<(int Code, string Output, string Errors)> RunAsync(params string[] words) => WayangAsync(["run", "--socket", SocketOf(serve), .. words]);

        async Task RefusedAsync(string told, params string[] words)
        {
            var (code, _, errors) = await RunAsync(words);
            Assert.NotEqual(0, code);
            Assert.Contains(told, errors, StringComparison.Ordinal);
        }
    }

    [Fact(Timeout = Bound)]
    public async Task A_wrong_configuration_starts_nothing()
    {
        Configure("http_port: 0\nimages: [{name: gone, kind: c, file: gone.so}]\nlimits: {queued: 1}\n");
        await using var serve = await Orphanage.StartAsync(Path.Combine(Scratch, "log"), Command(), VariablesOf());

        Assert.Equal("code 2", await serve.WaitForEndAsync());
        Assert.Contains($"{ConfigurationPath}:3:10: 'limits.queued': no such key; ", serve.Log, StringComparison.Ordinal);
        Assert.Contains($"{ConfigurationPath}:2:38: 'images.gone.file': {Scratch}/gone.so: no such file", serve.Log, StringComparison.Ordinal);
        Assert.Empty(serve.Processes());
    }

    private async Task<(long QueuedTasks, long DefaultTimeout)> LimitsAsync(Orphanage serve)
    {
        await using var client = await ConnectAsync(serve);
        var limits = (await client.NodeInfoAsync()).Limits;
        return (limits["max_queued_tasks"], limits["default_timeout_ms"]);
    }

    /// <summary>The hash of what 'slow' means now.</summary>
    private async Task<string> ImageAsync(Orphanage serve)
    {
        await using var client = await ConnectAsync(serve);
        return (await client.ListImagesAsync()).Single(static i => i.Name == "slow").Image;
    }
}
