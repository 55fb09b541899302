using System.Diagnostics;
using System.Globalization;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf.Soak;

/// <summary>The installed runtime, keeper first, under a name and in a directory of its own.</summary>
internal sealed class SoakDaemon : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Process _keeper;

    public SoakDaemon(SuiteContext context)
    {
        Instance = string.Create(CultureInfo.InvariantCulture, $"perf-soak-{Environment.ProcessId}");
        Directory = Path.Combine(System.IO.Directory.Exists("/var/tmp") ? "/var/tmp" : "/tmp", Instance);
        var install = Path.Combine(context.Root, "out", "install");
        var native = Path.Combine(install, "native");
        var start = new ProcessStartInfo(Path.Combine(native, "wayang-keeper"), [
            "--instance", Instance, "--runtime-dir", Directory, "--native", native, "--",
            Path.Combine(install, "bin", "wayang"), "serve", "--daemon", "--starter-uid", "0"]) { UseShellExecute = false, RedirectStandardError = true };

        // A node that stays, not the private one of a caller; without its port, which another may have.
        start.Environment["WAYANG__HTTP_PORT"] = "0";
        start.Environment["WAYANG_LOG_COLLECTIONS"] = "1";

        // What is remembered must reach its bound early, or memory grows by right.
        start.Environment["WAYANG__RETENTION__TASKS"] = "10000";

        // 16 MiB (hexadecimal): the path allocates so little that the collector's own budget would hardly be reached in a run;
        // with a small one collections, and their pauses, happen while the tasks run. Who sets it looks for more of them.
        start.Environment.TryAdd("DOTNET_GCgen0size", "1000000");
        _keeper = Process.Start(start) ?? throw new PerfException("the keeper did not start");
        _keeper.ErrorDataReceived += (_, line) => Collections.Read(line.Data);
        _keeper.BeginErrorReadLine();
    }

    public SoakCollections Collections { get; } = new(Console.Error);

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
