using System.Diagnostics;
using System.Globalization;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;

namespace Wayang.Fast.Perf.Harness;

/// <summary>The installed runtime, keeper first, under a name and in a directory of its own.</summary>
internal sealed class InstalledRuntime : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Process _keeper;

    /// <param name="context">Where the installation is.</param>
    /// <param name="name">Of the instance, with our process number behind it.</param>
    /// <param name="settings">Variables of the environment.</param>
    /// <param name="log">Each line of its log; on any thread.</param>
    /// <param name="configuration">A file; null: none.</param>
    public InstalledRuntime(SuiteContext context, string name, IReadOnlyDictionary<string, string> settings, Action<string?> log, string? configuration = null)
    {
        Instance = string.Create(CultureInfo.InvariantCulture, $"perf-{name}-{Environment.ProcessId}");
        Directory = Path.Combine(System.IO.Directory.Exists("/var/tmp") ? "/var/tmp" : "/tmp", Instance);
        var install = Path.Combine(context.Root, "out", "install");
        var native = Path.Combine(install, "native");
        var start = new ProcessStartInfo(Path.Combine(native, "wayang-keeper"), [
            "--instance", Instance, "--runtime-dir", Directory, "--native", native, "--",
            Path.Combine(install, "bin", "wayang"), "serve", "--daemon", "--starter-uid", "0"]) { UseShellExecute = false, RedirectStandardError = true };

        foreach (var word in configuration is null ? [] : (string[])["--config", configuration])
        {
            start.ArgumentList.Add(word);
        }

        // A node that stays, not the private one of a caller.
        foreach (var (variable, value) in settings)
        {
            start.Environment[variable] = value;
        }

        _keeper = Process.Start(start) ?? throw new PerfException("the keeper did not start");
        _keeper.ErrorDataReceived += (_, line) => log(line.Data);
        _keeper.BeginErrorReadLine();
    }

    public string Instance { get; }

    public string Directory { get; }

    public int Keeper => _keeper.Id;

    public bool HasEnded => _keeper.HasExited;

    public async Task<WayangClient> ConnectAsync()
    {
        var path = Path.Combine(Directory, "wayang.sock");
        var start = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                if (File.Exists(path))
                {
                    return await WayangClient.ConnectAsync(new WayangClientOptions { SocketPath = path });
                }
            }
            catch (WayangException starting) when (starting.Code == ErrorCode.Unavailable)
            {
                // It binds before it listens.
            }

            if (_keeper.HasExited || Stopwatch.GetElapsedTime(start) > Patience)
            {
                throw new PerfException($"the runtime does not answer at {path}");
            }

            await Task.Delay(20);
        }
    }

    public void Dispose()
    {
        if (!_keeper.HasExited)
        {
            using var terminate = Process.Start("/bin/kill", ["-TERM", _keeper.Id.ToString(CultureInfo.InvariantCulture)]);
            terminate.WaitForExit();
            if (!_keeper.WaitForExit(Patience))
            {
                _keeper.Kill(entireProcessTree: true);
            }
        }

        _keeper.Dispose();
        if (System.IO.Directory.Exists(Directory))
        {
            System.IO.Directory.Delete(Directory, recursive: true);
        }
    }
}
