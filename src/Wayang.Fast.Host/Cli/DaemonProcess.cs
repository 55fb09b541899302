using System.Diagnostics;
using System.Globalization;

using Wayang.Fast.Client;
using Wayang.Fast.Host.Configuration;

namespace Wayang.Fast.Host.Cli;

/// <summary>How a keeper is started with a daemon: the arguments of both.</summary>
/// <param name="Installation">Where the native programs are.</param>
/// <param name="Instance">Name of the instance.</param>
/// <param name="RuntimeDirectory">Made by the keeper.</param>
/// <param name="IsPrivate">No TCP port.</param>
/// <param name="Socket">Null: in the runtime directory.</param>
internal sealed record DaemonLaunch(
    Installation Installation,
    string Instance,
    string RuntimeDirectory,
    bool IsPrivate,
    string? Socket)
{
    /// <summary>A descriptor of ours with the configuration (<see cref="ConfigurationBundle"/>), which the keeper opens; null without one.</summary>
    public int? ConfigurationDescriptor { get; init; }

    /// <summary>Directories that the spawner lends as roots, by name: they go to it past the daemon, which knows the names only.</summary>
    public IReadOnlyList<(string Name, string Directory)> Roots { get; init; } = [];

    /// <summary>Where the spawner makes writable space of tasks on the disk; null: nowhere.</summary>
    public string? SpaceDirectory { get; init; }

    // The keeper holds the read end of our pipe as its standard input: whatever ends us, it sees the end of file.
    private const string OwnerDescriptor = "0";

    // util-linux, essential in Debian; it executes in place, so that the process we started stays the keeper.
    private const string SetSession = "/usr/bin/setsid";

    private const string RuntimeRootVariable = "DOTNET_ROOT";

    public string SocketPath => Socket ?? Path.Combine(RuntimeDirectory, RuntimeDirectories.SocketName);

    /// <summary>
    /// The keeper in a session of its own: a Ctrl-C in our terminal is for us, who then cancel the task or close the pipe.
    /// </summary>
    public ProcessStartInfo KeeperStart()
    {
        var apart = File.Exists(SetSession);
        var start = new ProcessStartInfo(apart ? SetSession : Installation.KeeperPath) { RedirectStandardInput = true, UseShellExecute = false };
        if (apart)
        {
            Add(start, Installation.KeeperPath);
        }

        // A program found by way of PATH would not find its runtime again as another user.
        if (string.IsNullOrEmpty(Environment.GetEnvironmentVariable(RuntimeRootVariable)) && FindRuntimeRoot() is { } root)
        {
            start.Environment[RuntimeRootVariable] = root;
        }

        Add(start, "--instance", Instance, "--runtime-dir", RuntimeDirectory, "--policy", Installation.PolicyDirectory);
        Add(start, "--native", Installation.NativeDirectory, "--owner-fd", OwnerDescriptor);
        if (ConfigurationDescriptor is { } descriptor)
        {
            Add(start, "--configuration", descriptor.ToString(CultureInfo.InvariantCulture));
        }

        foreach (var (name, directory) in Roots)
        {
            Add(start, "--root", $"{name}={directory}");
        }

        if (SpaceDirectory is not null)
        {
            Add(start, "--space", SpaceDirectory);
        }

        Add(start, "--");
        AddDaemon(start);
        return start;
    }

    private void AddDaemon(ProcessStartInfo start)
    {
        var program = Environment.ProcessPath ?? throw new CommandException("the path of the running program is unknown: is /proc mounted?");
        Add(start, program);
        if (string.Equals(Path.GetFileNameWithoutExtension(program), "dotnet", StringComparison.Ordinal))
        {
            Add(start, Path.Combine(AppContext.BaseDirectory, "wayang.dll"));
        }

        Add(start, "serve", "--daemon", "--starter-uid", SocketPaths.EffectiveUser().ToString(CultureInfo.InvariantCulture));
        if (IsPrivate)
        {
            Add(start, "--private");
        }

        if (Socket is not null)
        {
            Add(start, "--socket", Socket);
        }
    }

    /// <summary>ROOT/shared/Microsoft.NETCore.App/VERSION/ holds the runtime that runs us; null when it is laid out otherwise.</summary>
    private static string? FindRuntimeRoot()
    {
        var directory = new DirectoryInfo(System.Runtime.InteropServices.RuntimeEnvironment.GetRuntimeDirectory());
        return directory.Parent?.Parent is { Name: "shared", Parent: { } root } ? root.FullName : null;
    }

    private static void Add(ProcessStartInfo start, params ReadOnlySpan<string> arguments)
    {
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }
    }
}
