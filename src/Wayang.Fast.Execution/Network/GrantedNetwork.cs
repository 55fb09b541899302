using System.Net;
using System.Net.Sockets;
using System.Text;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Execution.Network;

/// <summary>
/// The outside end of one worker's proxy: accepts in the worker's network namespace (the listening socket was made there, and
/// nothing but it leads out), connects in ours, and only to what the task was granted. Each connection is checked by itself, names
/// are resolved here, and a name that leads to a private address leads nowhere. Runs on the thread pool, bounded; thread-safe.
/// </summary>
internal sealed class GrantedNetwork : IDisposable
{
    /// <summary>Mirrors WY_PROXY_PORT of <c>native/sandbox/network.h</c>.</summary>
    public const int Port = 3128;

    private const int MaxConnections = 64;
    private const int MaxTold = 16;
    private const int CopyBytes = 64 << 10;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    private readonly Socket _listener;
    private readonly TaskGrants _grants;
    private readonly Action<string> _tellRefusal;
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _places = new(MaxConnections);
    private readonly HashSet<string> _told = new(StringComparer.Ordinal);
    private int _disposed;

    /// <param name="listener">Owned from now on.</param>
    /// <param name="tellRefusal">Told each refused destination once, at most <see cref="MaxTold"/> of them. Any thread.</param>
    public GrantedNetwork(Socket listener, TaskGrants grants, Action<string> tellRefusal)
    {
        _listener = listener;
        _grants = grants;
        _tellRefusal = tellRefusal;
    }

    /// <summary>What programs need to find the proxy; before the task's own variables, which may say otherwise.</summary>
    public static IReadOnlyList<string> Environment { get; } =
    [
        $"http_proxy=http://127.0.0.1:{Port}", $"HTTP_PROXY=http://127.0.0.1:{Port}", $"https_proxy=http://127.0.0.1:{Port}",
        $"HTTPS_PROXY=http://127.0.0.1:{Port}", $"all_proxy=socks5h://127.0.0.1:{Port}", $"ALL_PROXY=socks5h://127.0.0.1:{Port}",
        "no_proxy=127.0.0.1,localhost,::1", "NO_PROXY=127.0.0.1,localhost,::1",
    ];

    public void Start() => _ = Task.Run(AcceptAsync);

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            _stop.Cancel();
            _listener.Dispose();
        }
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (!_stop.IsCancellationRequested)
            {
                await _places.WaitAsync(_stop.Token).ConfigureAwait(false);
                var client = await _listener.AcceptAsync(_stop.Token).ConfigureAwait(false);
                _ = ServeAsync(client);
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // The worker ended, and its namespace with it.
        }
    }

    private async Task ServeAsync(Socket client)
    {
        try
        {
            await using var stream = new NetworkStream(client, ownsSocket: true);
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
            limit.CancelAfter(Patience);
            if (await ProxyRequest.ReadAsync(stream, limit.Token).ConfigureAwait(false) is not { } request)
            {
                return;
            }

            var (server, why) = await ConnectAsync(request, limit.Token).ConfigureAwait(false);
            await AnswerAsync(stream, request, why, limit.Token).ConfigureAwait(false);
            if (server is not null)
            {
                await using var far = new NetworkStream(server, ownsSocket: true);
                await far.WriteAsync(request.Forward, limit.Token).ConfigureAwait(false);
                await Task.WhenAll(CopyAsync(stream, far, server), CopyAsync(far, stream, client)).ConfigureAwait(false);
            }
        }
        catch (Exception error) when (error is IOException or SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // One side is gone or was too slow: the other learns it by the end of the stream.
        }
        finally
        {
            _places.Release();
        }
    }

    /// <summary>One direction, to its end, which is passed on as such.</summary>
    private async Task CopyAsync(NetworkStream from, NetworkStream to, Socket target)
    {
        await from.CopyToAsync(to, CopyBytes, _stop.Token).ConfigureAwait(false);
        target.Shutdown(SocketShutdown.Send);
    }

    private async Task<(Socket? Server, string? Why)> ConnectAsync(ProxyRequest request, CancellationToken cancellation)
    {
        // 127.1 and 0x7f000001 are addresses too; so is an IPv4 address that is written as an IPv6 one.
        var literal = IPAddress.TryParse(request.Host, out var parsed) ? Plain(parsed) : null;
        if (!_grants.Connect.Any(g => g.Matches(request.Host, literal, request.Port)))
        {
            return (null, Refuse(request, $"was not granted to this task (it has {_grants.Key})"));
        }

        var addresses = literal is not null ? [literal] : await ResolveAsync(request.Host, cancellation).ConfigureAwait(false);
        if (addresses.Length == 0)
        {
            return (null, $"{request.Host} has no address");
        }

        var allowed = addresses.Where(a => Destination.IsPublic(a) || _grants.Connect.Any(g => g.AllowsAddress(a, request.Port))).ToArray();
        return allowed.Length == 0
            ? (null, Refuse(request, $"leads to {addresses[0]}, which is not of the internet and was not granted as an address"))
            : await TryEachAsync(allowed, request, cancellation).ConfigureAwait(false);
    }

    private static async Task<(Socket? Server, string? Why)> TryEachAsync(IPAddress[] addresses, ProxyRequest request, CancellationToken cancellation)
    {
        string? why = null;
        foreach (var address in addresses)
        {
            var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(address, request.Port, cancellation).ConfigureAwait(false);
                return (socket, null);
            }
            catch (SocketException error)
            {
                socket.Dispose();
                why = $"{request.Host}:{request.Port} cannot be reached: {error.Message}";
            }
        }

        return (null, why);
    }

    private static async Task<IPAddress[]> ResolveAsync(string host, CancellationToken cancellation)
    {
        try
        {
            return [.. (await Dns.GetHostAddressesAsync(host, cancellation).ConfigureAwait(false)).Select(Plain)];
        }
        catch (Exception error) when (error is SocketException or ArgumentException)
        {
            return [];
        }
    }

    private static IPAddress Plain(IPAddress address) => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;

    private string Refuse(ProxyRequest request, string why)
    {
        // The name is the task's: nothing of it that could mislead a terminal goes into a log.
        var host = string.Concat(request.Host.Select(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or ':' or '_' ? c : '?'));
        var destination = $"{host}:{request.Port}";
        bool isNew;
        lock (_told)
        {
            isNew = _told.Count < MaxTold && _told.Add(destination);
        }

        if (isNew)
        {
            _tellRefusal($"a connection to {destination} was refused: it {why}");
        }

        return $"{destination} {why}";
    }

    private static async Task AnswerAsync(NetworkStream client, ProxyRequest request, string? why, CancellationToken cancellation)
    {
        var answer = request.Kind switch
        {
            ProxyKind.Socks => [5, why is null ? (byte)0 : (byte)2, 0, 1, 0, 0, 0, 0, 0, 0], // 2: not allowed by the rules
            ProxyKind.Connect when why is null => "HTTP/1.1 200 Connected\r\n\r\n"u8.ToArray(),
            ProxyKind.Http when why is null => [],
            _ => Encoding.UTF8.GetBytes($"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: {Encoding.UTF8.GetByteCount(why!) + 9}\r\nConnection: close\r\n\r\nwayang: {why}\n"),
        };
        await client.WriteAsync(answer, cancellation).ConfigureAwait(false);
    }
}
