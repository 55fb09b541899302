using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.Versioning;
using System.Security.Cryptography;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Configuration;

/// <summary>A real <c>wayang serve</c> with a configuration that only its starter may read: start, reload, restart of the daemon.</summary>
[Collection("runtimes")]
[Trait("Promise", "CFG")]
[SupportedOSPlatform("linux")]
public sealed class ReloadTests : IDisposable
{
    private const int Bound = 300_000;

    // Joins the groups; as root, then goes where nobody else's runtime is: /run/wayang is one for the whole machine.
    private const string Join = "for g in $TEST_GROUPS; do echo $$ > $g/cgroup.procs || exit 99; done; unset TEST_GROUPS; exec \"$@\"";
    private const string OwnRun = "mount -t tmpfs -o mode=0755 tmpfs /run && exec \"$@\"";

    private readonly string _scratch = Directory.CreateTempSubdirectory("wayang-reload-").FullName;
    private readonly ResourceGroups? _groups;

    public ReloadTests()
    {
        Assert.SkipUnless(Installation.Missing is null, Installation.Missing ?? "");
        _groups = new ResourceGroups("test-" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(6)));
        File.Copy(Installation.SlowPlugin, Path.Combine(_scratch, "slow.so"));
    }

    private string ConfigurationPath => Path.Combine(_scratch, "node.yaml");

    public void Dispose()
    {
        _groups?.Dispose();
        Directory.Delete(_scratch, recursive: true);
    }

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

        File.AppendAllText(Path.Combine(_scratch, "slow.so"), "other content, which the loader does not look at");
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
        await OwnRoot.PrepareAsync(Account.Root, _scratch);
        Configure("""
            http_port: 0
            images:
              - {name: tools, kind: command, profile: small}
              - {name: plain, kind: command}
              - {name: slow, kind: c, file: slow.so}
            """);
        await using var serve = await StartAsync(("WAYANG_POLICY", Path.Combine(_scratch, "policy")));
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
        await using var serve = await Orphanage.StartAsync(Path.Combine(_scratch, "log"), Command(), VariablesOf());

        Assert.Equal("code 2", await serve.WaitForEndAsync());
        Assert.Contains($"{ConfigurationPath}:3:10: 'limits.queued': no such key; ", serve.Log, StringComparison.Ordinal);
        Assert.Contains($"{ConfigurationPath}:2:38: 'images.gone.file': {_scratch}/gone.so: no such file", serve.Log, StringComparison.Ordinal);
        Assert.Empty(serve.Processes());
    }

    /// <summary>Nobody but its owner may read it.</summary>
    private void Configure(string text)
    {
        File.WriteAllText(ConfigurationPath, text);
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(ConfigurationPath, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
    }

    private async Task<Orphanage> StartAsync(params (string Name, string Value)[] variables)
    {
        var serve = await Orphanage.StartAsync(Path.Combine(_scratch, "log"), Command(), VariablesOf(variables));
        await Eventually.TrueAsync($"it serves:\n{serve.Log}", () => serve.Log.Contains("info: serving at ", StringComparison.Ordinal));
        return serve;
    }

    private List<string> Command()
    {
        List<string> words = ["/bin/sh", "-c", Join, "sh"];
        if (Installation.IsRoot)
        {
            words.AddRange(["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", OwnRun, "sh"]);
        }

        words.AddRange([Installation.Wayang, "serve", "--config", ConfigurationPath]);
        return words;
    }

    private Dictionary<string, string?> VariablesOf(params (string Name, string Value)[] variables)
    {
        var environment = new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["TEST_GROUPS"] = Installation.IsRoot ? string.Join(' ', _groups!.Paths) : "",
            ["XDG_RUNTIME_DIR"] = _scratch,
        };
        foreach (var (name, value) in variables)
        {
            environment[name] = value;
        }

        return environment;
    }

    private string SocketOf(Orphanage serve) => Installation.IsRoot
        ? string.Create(CultureInfo.InvariantCulture, $"/proc/{serve.ProgramPid}/root/run/wayang/wayang.sock")
        : Path.Combine(_scratch, "wayang", "wayang.sock");

    private async Task<WayangClient> ConnectAsync(Orphanage serve) => await Eventually.ValueAsync("the runtime answers", async () =>
    {
        try
        {
            return File.Exists(SocketOf(serve)) ? await WayangClient.ConnectAsync(new WayangClientOptions { SocketPath = SocketOf(serve) }) : null;
        }
        catch (WayangException refused) when (refused.Code == ErrorCode.Unavailable)
        {
            return null;
        }
    });

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

    private Task<(int Code, string Output, string Errors)> ReloadAsync(Orphanage serve) => WayangAsync(["config", "reload", "--socket", SocketOf(serve)]);

    private static async Task<(int Code, string Output, string Errors)> WayangAsync(string[] words)
    {
        using var process = Process.Start(new ProcessStartInfo(Installation.Wayang, words)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        })!;
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, await output, await errors);
    }

    private static int DaemonOf(Orphanage serve) =>
        serve.Processes().Find(static p => p.CommandLine.Contains("serve --daemon", StringComparison.Ordinal) && !p.CommandLine.Contains("wayang-keeper", StringComparison.Ordinal))!.Pid;

    private static async Task EndAsync(Orphanage serve)
    {
        Signals.Terminate(serve.ProgramPid);
        Assert.Equal("code 0", await serve.WaitForEndAsync());
    }

    private static int Count(string text, string words) => text.Split(words).Length - 1;

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
