using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Host.Configuration;

namespace Wayang.Fast.Host.Cli;

/// <summary>A connection to a runtime: to the one that answers, or to a private one that ends with this session.</summary>
internal sealed class RuntimeSession : IAsyncDisposable
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(200);

    // A cold machine reads some 100 MiB of runtime from its disk first.
    private static readonly TimeSpan LongestStart = TimeSpan.FromSeconds(60);

    private readonly KeeperProcess? keeper;

    private RuntimeSession(WayangClient client, KeeperProcess? keeper)
    {
        Client = client;
        this.keeper = keeper;
    }

    public WayangClient Client { get; }

    /// <summary>The keeper of a private runtime; null when another's runtime is used.</summary>
    public int? KeeperProcessId => keeper?.ProcessId;

    /// <summary>The runtime at the socket, which must be there.</summary>
    public static async Task<RuntimeSession> ConnectAsync(string? socket, CancellationToken cancellation)
    {
        if (RemoteRuntime.Current is { } remote)
        {
            return new RuntimeSession(await WayangClient.ConnectAsync(remote, cancellation), keeper: null);
        }

        var path = socket ?? SocketPaths.Find();
        if (!SocketPaths.Fits(path))
        {
            throw new CommandException($"{path}: longer than the {SocketPaths.MaxBytes} bytes that a socket's path may have", "Name it by a shorter path.");
        }

        try
        {
            return new RuntimeSession(await OpenAsync(path, cancellation), keeper: null);
        }
        catch (WayangException error) when (error.Code == ErrorCode.Unavailable)
        {
            throw NoDaemon(path);
        }
    }

    /// <summary>The runtime that answers; else, unless a socket was named, a private one.</summary>
    public static async Task<RuntimeSession> ConnectOrStartAsync(string? socket, CancellationToken cancellation)
    {
        if (socket is not null || RemoteRuntime.Current is not null)
        {
            return await ConnectAsync(socket, cancellation);
        }

        return await TryConnectAsync(SocketPaths.Find(), cancellation) is { } client
            ? new RuntimeSession(client, keeper: null)
            : await StartPrivateAsync(cancellation);
    }

    public static async Task<RuntimeSession> StartPrivateAsync(CancellationToken cancellation)
    {
        PolicyCheck.Use(directory: null);

        // The daemon reads the same environment; told here, a wrong variable is one line and no daemon that ended.
        var configuration = NodeConfiguration.Of(ConfigurationInput.Gather(path: null));
        configuration.OrThrow();
        var directory = RuntimeDirectories.NewPrivate(out var instance);
        var launch = new DaemonLaunch(Installation.Find(), instance, directory, IsPrivate: true, Socket: null) { SpaceDirectory = DiskDirectory.Of(configuration.Settings) };
        var started = KeeperProcess.Start(launch, capture: true);
        try
        {
            return new RuntimeSession(await UntilReadyAsync(started, launch.SocketPath, cancellation), started);
        }
        catch
        {
            await started.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Client.DisposeAsync();
        if (keeper is not null)
        {
            await keeper.DisposeAsync();
        }
    }

    private static async Task<WayangClient> UntilReadyAsync(KeeperProcess keeper, string path, CancellationToken cancellation)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(LongestStart);
        for (var pause = FirstPause; ; pause = pause * 2 < LongestPause ? pause * 2 : LongestPause)
        {
            if (keeper.HasExited)
            {
                // Its last words may still stand in the pipe.
                await keeper.WaitForExitAsync(cancellation);
                throw new CommandException(
                    $"the private runtime ended while it started (code {keeper.ExitCode}):{Environment.NewLine}{keeper.LastWords}",
                    "If files of the installation are missing or were changed: ./build.sh build. To see more: wayang serve");
            }

            try
            {
                if (await TryConnectAsync(path, patience.Token) is { } client)
                {
                    return client;
                }

                await Task.Delay(pause, patience.Token);
            }
            catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
            {
                throw new CommandException(
                    $"the private runtime was not ready after {LongestStart.TotalSeconds:0} s:{Environment.NewLine}{keeper.LastWords}",
                    "To see more, start it by itself: wayang serve");
            }
        }
    }

    private static Task<WayangClient> OpenAsync(string path, CancellationToken cancellation) =>
        WayangClient.ConnectAsync(new WayangClientOptions { SocketPath = path }, cancellation);

    /// <summary>Null when nothing listens there, when what listens is not ready, or when it is not for us.</summary>
    private static async Task<WayangClient?> TryConnectAsync(string path, CancellationToken cancellation)
    {
        if (!File.Exists(path))
        {
            return null;
        }

        try
        {
            return await OpenAsync(path, cancellation);
        }
        catch (WayangException error) when (error.Code is ErrorCode.Unavailable or ErrorCode.PermissionDenied)
        {
            return null;
        }
    }

    private static CommandException NoDaemon(string path) => new(
        $"no runtime answers at {path}", "Start one with: wayang serve (or name another socket with --socket PATH).");
}
