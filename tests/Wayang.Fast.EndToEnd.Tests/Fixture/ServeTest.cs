using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.Versioning;
using System.Security.Cryptography;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Fixture;

/// <summary>Tests of a real <c>wayang serve</c> with a configuration that only its starter may read, and that they rewrite while it runs.</summary>
[SupportedOSPlatform("linux")]
public abstract class ServeTest : IDisposable
{
    // Joins the groups; as root, then goes where nobody else's runtime is: /run/wayang is one for the whole machine.
    private const string Join = "for g in $TEST_GROUPS; do echo $$ > $g/cgroup.procs || exit 99; done; unset TEST_GROUPS; exec \"$@\"";
    private const string OwnRun = "mount -t tmpfs -o mode=0755 tmpfs /run && exec \"$@\"";

    private readonly ResourceGroups? _groups;
    private string? _state;

    protected ServeTest()
    {
        Assert.SkipUnless(Installation.Missing is null, Installation.Missing ?? "");
        _groups = new ResourceGroups("test-" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(6)));
    }

    /// <summary>A directory of the test alone.</summary>
    protected string Scratch { get; } = Directory.CreateTempSubdirectory("wayang-served-").FullName;

    /// <summary>Where a daemon keeps what it remembers; made when it is asked for. The daemon may be another user, whom <see cref="Scratch"/> lets nothing see.</summary>
    protected string StateDirectory => _state ??= Directory.CreateTempSubdirectory("wayang-state-").FullName;

    protected string ConfigurationPath => Path.Combine(Scratch, "node.yaml");

    public void Dispose()
    {
        _groups?.Dispose();
        Directory.Delete(Scratch, recursive: true);
        if (_state is not null)
        {
            Directory.Delete(_state, recursive: true);
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>Nobody but its owner may read it.</summary>
    protected void Configure(string text)
    {
        File.WriteAllText(ConfigurationPath, text);
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(ConfigurationPath, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
    }

    private protected async Task<Orphanage> StartAsync(params (string Name, string Value)[] variables)
    {
        var serve = await Orphanage.StartAsync(Path.Combine(Scratch, "log"), Command(), VariablesOf(variables));
        await Eventually.TrueAsync($"it serves:\n{serve.Log}", () => serve.Log.Contains("info: serving at ", StringComparison.Ordinal));
        return serve;
    }

    protected List<string> Command()
    {
        List<string> words = ["/bin/sh", "-c", Join, "sh"];
        if (Installation.IsRoot)
        {
            words.AddRange(["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", OwnRun, "sh"]);
        }

        words.AddRange([Installation.Wayang, "serve", "--config", ConfigurationPath]);
        return words;
    }

    protected Dictionary<string, string?> VariablesOf(params (string Name, string Value)[] variables)
    {
        var environment = new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["TEST_GROUPS"] = Installation.IsRoot ? string.Join(' ', _groups!.Paths) : "",
            ["XDG_RUNTIME_DIR"] = Scratch,
        };
        foreach (var (name, value) in variables)
        {
            environment[name] = value;
        }

        return environment;
    }

    private protected string SocketOf(Orphanage serve) => Installation.IsRoot
        ? string.Create(CultureInfo.InvariantCulture, $"/proc/{serve.ProgramPid}/root/run/wayang/wayang.sock")
        : Path.Combine(Scratch, "wayang", "wayang.sock");

    private protected async Task<WayangClient> ConnectAsync(Orphanage serve) => await Eventually.ValueAsync("the runtime answers", async () =>
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

    private protected Task<(int Code, string Output, string Errors)> ReloadAsync(Orphanage serve) => WayangAsync(["config", "reload", "--socket", SocketOf(serve)]);

    protected static async Task<(int Code, string Output, string Errors)> WayangAsync(string[] words)
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

    private protected static int DaemonOf(Orphanage serve) =>
        serve.Processes().Find(static p => p.CommandLine.Contains("serve --daemon", StringComparison.Ordinal) && !p.CommandLine.Contains("wayang-keeper", StringComparison.Ordinal))!.Pid;

    private protected static async Task EndAsync(Orphanage serve)
    {
        Signals.Terminate(serve.ProgramPid);
        Assert.Equal("code 0", await serve.WaitForEndAsync());
    }

    protected static int Count(string text, string words) => text.Split(words).Length - 1;

    internal static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
