using System.Net.Sockets;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Client;

/// <summary>What becomes of a task when its caller stops waiting.</summary>
public enum OnAbandon : byte
{
    /// <summary>It runs on.</summary>
    KeepTask = 0,

    /// <summary>It is asked to stop. Costs a second request: the task's id must be known before it ends.</summary>
    CancelTask,
}

/// <summary>What an image is called, and what a Python module is loaded with.</summary>
public sealed record ImageNames
{
    /// <summary>A later put of the name replaces it; null: it is called by its hash.</summary>
    public string? Name { get; init; }

    /// <summary>Python modules that are imported before the first call; where a task's profile has no files, later imports fail.</summary>
    public IReadOnlyList<string> Preload { get; init; } = [];

    /// <summary>Name of a Python module's file, shown in tracebacks.</summary>
    public string? File { get; init; }
}

/// <summary>
/// A node, as its callers see it. Thread-safe; calls of all threads share one connection and are answered in whatever
/// order they end. A lost connection ends the pending calls with <see cref="ErrorCode.NodeLost"/> (their tasks may have
/// run, so nothing is sent twice); the next call connects again.
/// </summary>
public sealed partial class WayangClient : IAsyncDisposable
{
    /// <summary>Stands for a token where the certificate has opened the session, and no token is looked at.</summary>
    private const string ByCertificate = "by-certificate";

    private readonly WayangClientOptions _options;
    private readonly SemaphoreSlim _connecting = new(1, 1);
    private readonly SemaphoreSlim _pending;
    private IClientTransport? _channel;
    private bool _disposed;

    private WayangClient(WayangClientOptions options)
    {
        _options = options;
        _pending = new SemaphoreSlim(options.MaxPending, options.MaxPending);
        Endpoint = options.Endpoint ?? WayangEndpoint.Unix(options.SocketPath ?? SocketPaths.Find());
    }

    public WayangEndpoint Endpoint { get; }

    public bool IsConnected => _channel is { IsLost: false };

    /// <exception cref="WayangException">Nothing listens there, or this user may not; the message says what to do.</exception>
    public static async Task<WayangClient> ConnectAsync(WayangClientOptions? options = null, CancellationToken cancellation = default)
    {
        var client = new WayangClient(options ?? new WayangClientOptions());
        try
        {
            await client.ReachAsync(client._options.ConnectTimeout, cancellation);
        }
        catch
        {
            await client.DisposeAsync();
            throw;
        }

        return client;
    }

    public ValueTask DisposeAsync()
    {
        Volatile.Write(ref _disposed, true);
        Interlocked.Exchange(ref _channel, null)?.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>Runs a function of an image and waits for its end. A task that fails is a result, not an exception.</summary>
    public Task<TaskResult> RunCallAsync(string image, string function, ReadOnlyMemory<byte> data = default, CancellationToken cancellation = default) =>
        RunAsync(TaskSpec.Call(image, function, data), OnAbandon.KeepTask, cancellation);

    /// <summary>Runs a command and waits for its end.</summary>
    public Task<TaskResult> RunCommandAsync(IReadOnlyList<string> arguments, ReadOnlyMemory<byte> stdin = default, CancellationToken cancellation = default) =>
        RunAsync(TaskSpec.Command(arguments) with { Stdin = stdin }, OnAbandon.KeepTask, cancellation);

    public async Task<TaskResult> RunAsync(TaskSpec spec, OnAbandon onAbandon = OnAbandon.KeepTask, CancellationToken cancellation = default)
    {
        if (onAbandon == OnAbandon.KeepTask && !(Endpoint.IsGrpc && (cancellation.CanBeCanceled || _options.CallTimeout is not null)))
        {
            return await CallAsync("task.run", (ref writer) => RequestEncoders.Spec(ref writer, spec), ResponseDecoders.Result, cancellation);
        }

        var id = await SubmitAsync(spec, cancellation);
        try
        {
            return await WaitAsync(id, timeout: null, cancellation);
        }
        catch (OperationCanceledException) when (onAbandon == OnAbandon.CancelTask)
        {
            await CancelAsync(id, CancellationToken.None);
            throw;
        }
    }

    public async Task<TaskId> SubmitAsync(TaskSpec spec, CancellationToken cancellation = default) =>
        (await CallAsync("task.submit", (ref writer) => RequestEncoders.Spec(ref writer, spec), ResponseDecoders.Id, cancellation)).Value;

    /// <summary>At most <see cref="OperationTable.MaxTasksPerSubmission"/>; the outcomes stand in the order of the tasks.</summary>
    public Task<IReadOnlyList<SubmitOutcome>> SubmitManyAsync(IReadOnlyList<TaskSpec> specs, CancellationToken cancellation = default) =>
        CallAsync("task.submit_many", (ref writer) => RequestEncoders.Specs(ref writer, specs), ResponseDecoders.Outcomes, cancellation);

    /// <exception cref="WayangException"><see cref="ErrorCode.WaitTimeout"/> when the task had not ended in time.</exception>
    public Task<TaskResult> WaitAsync(TaskId id, TimeSpan? timeout = null, CancellationToken cancellation = default) =>
        CallAsync(
            "task.wait",
            (ref writer) =>
            {
                writer.WriteMapHeader(timeout is null ? 1 : 2);
                RequestEncoders.Id(ref writer, id);
                RequestEncoders.OptionalNumber(ref writer, "timeout_ms"u8, timeout is { } period ? (long)Math.Ceiling(period.TotalMilliseconds) : null);
            },
            ResponseDecoders.Result,
            cancellation);

    public Task<TaskInfo> GetAsync(TaskId id, CancellationToken cancellation = default) =>
        CallAsync(
            "task.get",
            (ref writer) =>
            {
                writer.WriteMapHeader(1);
                RequestEncoders.Id(ref writer, id);
            },
            ResponseDecoders.Info,
            cancellation);

    /// <summary>Asks a task to stop; returns when the node has taken note, not when it ended.</summary>
    public Task CancelAsync(TaskId id, CancellationToken cancellation = default) =>
        CallAsync(
            "task.cancel",
            (ref writer) =>
            {
                writer.WriteMapHeader(1);
                RequestEncoders.Id(ref writer, id);
            },
            ResponseDecoders.Id,
            cancellation);

    /// <param name="kind">"c" for a C plugin, "python" for the source of a Python module.</param>
    public Task<ImageInfo> PutImageAsync(string kind, ReadOnlyMemory<byte> data, string? name = null, CancellationToken cancellation = default) =>
        PutImageAsync(kind, data, new ImageNames { Name = name }, cancellation);

    /// <summary>The same, with what a Python module is loaded with.</summary>
    public Task<ImageInfo> PutImageAsync(string kind, ReadOnlyMemory<byte> data, ImageNames names, CancellationToken cancellation = default) =>
        CallAsync("image.put", (ref writer) => RequestEncoders.Image(ref writer, kind, data, names), ResponseDecoders.Image, cancellation);

    public Task<IReadOnlyList<ImageInfo>> ListImagesAsync(CancellationToken cancellation = default) =>
        CallAsync("image.list", static (ref writer) => writer.WriteMapHeader(0), ResponseDecoders.Images, cancellation);

    public Task<NodeInfo> NodeInfoAsync(CancellationToken cancellation = default) =>
        CallAsync("node.info", static (ref writer) => writer.WriteMapHeader(0), ResponseDecoders.Node, cancellation);

    public Task<IReadOnlyDictionary<string, long>> NodeStatsAsync(CancellationToken cancellation = default) =>
        CallAsync("node.stats", static (ref writer) => writer.WriteMapHeader(0), ResponseDecoders.Statistics, cancellation);

    private async Task<T> CallAsync<T>(string operation, RequestEncoder encode, ResponseDecoder<T> decode, CancellationToken cancellation)
        where T : class
    {
        await _pending.WaitAsync(cancellation);
        try
        {
            var channel = _channel is { IsLost: false } open ? open : await ReachAsync(_options.ReconnectTimeout, cancellation);
            return _options.CallTimeout is { } most
                ? await CallAsync(channel, most, operation, encode, decode, cancellation)
                : await channel.CallAsync(operation, encode, decode, cancellation);
        }
        finally
        {
            _pending.Release();
        }
    }

    private async Task<T> CallAsync<T>(IClientTransport channel, TimeSpan most, string operation, RequestEncoder encode, ResponseDecoder<T> decode, CancellationToken cancellation)
        where T : class
    {
        using var late = new CancellationTokenSource(most, _options.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, late.Token);
        try
        {
            return await channel.CallAsync(operation, encode, decode, either.Token);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new WayangException(ErrorCode.WaitTimeout, $"{operation} was not answered within {most.TotalSeconds:0.###} s (CallTimeout); what it began goes on.");
        }
    }

    /// <summary>The open connection, or a new one; tries until the time is over, with growing pauses.</summary>
    private async Task<IClientTransport> ReachAsync(TimeSpan patience, CancellationToken cancellation)
    {
        await _connecting.WaitAsync(cancellation);
        try
        {
            var start = _options.Time.GetTimestamp();
            for (var pause = _options.MinBackoff; ; pause = pause * 2 < _options.MaxBackoff ? pause * 2 : _options.MaxBackoff)
            {
                ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed), this);
                if (_channel is { IsLost: false } open)
                {
                    return open;
                }

                try
                {
                    var channel = await OpenAsync(cancellation);
                    Interlocked.Exchange(ref _channel, channel)?.Dispose();
                    if (Volatile.Read(ref _disposed))
                    {
                        channel.Dispose();
                    }

                    return channel;
                }
                catch (SocketException failure)
                {
                    if (failure.SocketErrorCode is SocketError.AccessDenied or SocketError.HostNotFound || _options.Time.GetElapsedTime(start) + pause > patience)
                    {
                        throw Unreachable(failure);
                    }
                }

                // Jitter, so that the clients of a restarted node do not come all at once.
#pragma warning disable CA5394 // Not a secret.
                await Task.Delay(pause * (0.5 + (Random.Shared.NextDouble() / 2)), _options.Time, cancellation);
#pragma warning restore CA5394
            }
        }
        finally
        {
            _connecting.Release();
        }
    }

    /// <summary>A connection that takes requests: over TCP its session is open.</summary>
    private async Task<IClientTransport> OpenAsync(CancellationToken cancellation)
    {
        if (Endpoint.IsGrpc)
        {
            return await OpenGrpcAsync(cancellation);
        }

        if (Endpoint.SocketPath is { } path)
        {
            return await RpcChannel.ConnectAsync(path, _options.Frame, cancellation);
        }

        var token = NeedToken();
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(_options.HandshakeTimeout);
        RpcChannel? channel = null;
        try
        {
            channel = await RpcChannel.ConnectAsync(Endpoint, _options, patience.Token);
            await channel.CallAsync("session.open", (ref writer) => RequestEncoders.Session(ref writer, token ?? ByCertificate), ResponseDecoders.Session, patience.Token);
            return channel;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            channel?.Dispose();
            throw new SocketException((int)SocketError.TimedOut);
        }
        catch (WayangException lost) when (lost.Code == ErrorCode.NodeLost)
        {
            // What hung up on us before a word may be a node that is going down: the caller tries again.
            channel?.Dispose();
            throw new SocketException((int)SocketError.ConnectionReset);
        }
        catch
        {
            channel?.Dispose();
            throw;
        }
    }

    private async Task<IClientTransport> OpenGrpcAsync(CancellationToken cancellation)
    {
        if (Endpoint.IsTcp)
        {
            NeedToken();
        }

        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(_options.HandshakeTimeout);
        try
        {
            return await GrpcTransport.ConnectAsync(Endpoint, _options, patience.Token);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new SocketException((int)SocketError.TimedOut);
        }
        catch (WayangException lost) when (lost.Code == ErrorCode.NodeLost)
        {
            throw new SocketException((int)SocketError.ConnectionReset);
        }
    }

    /// <summary>Null: the certificate says who calls.</summary>
    private string? NeedToken() => _options.Token ?? (Endpoint.IsTls && _options.Certificates?.ShowsOne == true ? null
        : throw new WayangException(ErrorCode.Unauthenticated, $"{Endpoint} asks for a token, and none was given. Make one with 'wayang token create' on its host."));

    private WayangException Unreachable(SocketException failure) => failure.SocketErrorCode == SocketError.AccessDenied
        ? new(ErrorCode.PermissionDenied,
            $"You may not open {Endpoint}: ask for membership in the group 'wayang', or start a runtime of your own with 'wayang serve'.", failure)
        : new(ErrorCode.Unavailable,
            $"No runtime answers at {Endpoint} ({failure.SocketErrorCode}). {(Endpoint.IsTcp
                ? $"Is it started there, with {(Endpoint.IsGrpc ? "grpc" : "rpc_tcp")} in its configuration, and can its host be reached?"
                : "Start one with 'wayang serve', or name its socket.")}", failure);
}
