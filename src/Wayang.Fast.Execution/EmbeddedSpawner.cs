using System.Diagnostics;
using System.Globalization;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution;

/// <summary>
/// A spawner for a runtime inside another program (an embedding application, a measurement, a test): what the keeper does
/// for the daemon, without its restarts and without giving up privilege. Disposing ends the spawner and all its workers.
/// </summary>
public sealed class EmbeddedSpawner : IDisposable
{
    private readonly Process _process;

    private EmbeddedSpawner(Process process) => _process = process;

    /// <summary>The spawner's process, or its launcher's.</summary>
    public int ProcessId => _process.Id;

    /// <summary>Starts a spawner and attaches it to <paramref name="runtime"/>.</summary>
    /// <param name="runtime">A started runtime.</param>
    /// <param name="nativeDirectory">Where wayang-spawner, wayang-zygote and policy/ lie.</param>
    /// <param name="instance">Names its groups: [A-Za-z0-9._-]{1,32}, of one runtime at a time.</param>
    /// <param name="launcher">A command that runs the spawner, such as <c>taskset -c 1</c>; empty: directly.</param>
    public static EmbeddedSpawner Start(NodeRuntime runtime, string nativeDirectory, string instance, params string[] launcher)
    {
        ArgumentNullException.ThrowIfNull(runtime);
        ArgumentNullException.ThrowIfNull(launcher);
        return Start(runtime, [.. launcher, .. Line(nativeDirectory, instance)]);
    }

    /// <summary>The same with writable space of tasks on the disk, for root alone.</summary>
    /// <param name="runtime">A started runtime.</param>
    /// <param name="nativeDirectory">Where wayang-spawner, wayang-zygote and policy/ lie.</param>
    /// <param name="instance">Names its groups: [A-Za-z0-9._-]{1,32}, of one runtime at a time.</param>
    /// <param name="spaceDirectory">Where it is made; root's alone.</param>
    public static EmbeddedSpawner StartWithSpace(NodeRuntime runtime, string nativeDirectory, string instance, string spaceDirectory)
    {
        ArgumentNullException.ThrowIfNull(runtime);
        return Start(runtime, [.. Line(nativeDirectory, instance), "--space", spaceDirectory]);
    }

    private static string[] Line(string nativeDirectory, string instance) =>
    [
        Path.Combine(nativeDirectory, "wayang-spawner"),
        "--policy", Path.Combine(nativeDirectory, "policy"), "--instance", instance, "--native", nativeDirectory,
    ];

    private static EmbeddedSpawner Start(NodeRuntime runtime, string[] command)
    {
        var (ours, theirs) = PacketSocket.Pair();
        try
        {
            Descriptors.SetInheritable(theirs, on: true);
            var start = new ProcessStartInfo(command[0]) { UseShellExecute = false };
            foreach (var argument in (string[])[.. command[1..], "--socket-fd", theirs.ToString(CultureInfo.InvariantCulture)])
            {
                start.ArgumentList.Add(argument);
            }

            var process = Process.Start(start) ?? throw new InvalidOperationException($"{command[0]} did not start");
            runtime.AttachSpawner(ours);
            return new EmbeddedSpawner(process);
        }
        catch
        {
            Descriptors.Close(ours);
            throw;
        }
        finally
        {
            Descriptors.Close(theirs);
        }
    }

    public void Dispose()
    {
        // It ends by itself when the runtime closed its socket; TERM asks a runtime that lives on.
        if (!_process.HasExited && !_process.WaitForExit(TimeSpan.FromSeconds(3)))
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process.Dispose();
    }
}
