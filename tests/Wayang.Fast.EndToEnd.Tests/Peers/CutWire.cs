using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Wayang.Fast.EndToEnd.Tests.Peers;

/// <summary>What the connections to a node go through, so that they can be cut.</summary>
internal sealed class CutWire : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly ConcurrentDictionary<Socket, bool> _open = new();
    private readonly int _to;
    private readonly Task _loop;
    private volatile bool _cut;

    public CutWire(int to)
    {
        _to = to;
        _listener.Start();
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _loop = Task.Run(AcceptAsync);
    }

    public int Port { get; }

    /// <summary>Ends all connections; new ones are closed at once until <see cref="Mend"/>.</summary>
    public void Cut()
    {
        _cut = true;
        foreach (var socket in _open.Keys)
        {
            socket.Close(timeout: 0);
        }
    }

    public void Mend() => _cut = false;

    public async ValueTask DisposeAsync()
    {
        Cut();
        _listener.Dispose();
        await _loop;
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var near = await _listener.AcceptSocketAsync();
                _ = Task.Run(() => CarryAsync(near));
            }
        }
        catch (Exception ended) when (ended is SocketException or ObjectDisposedException)
        {
            // Disposed.
        }
    }

    private async Task CarryAsync(Socket near)
    {
        using var far = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (!_cut)
            {
                await far.ConnectAsync(IPAddress.Loopback, _to);
                (_open[near], _open[far]) = (true, true);
                if (!_cut)
                {
                    await Task.WhenAny(PumpAsync(near, far), PumpAsync(far, near));
                }
            }
        }
        catch (SocketException)
        {
            // Nobody is there.
        }
        finally
        {
            _open.TryRemove(near, out _);
            _open.TryRemove(far, out _);
            near.Dispose();
        }
    }

    private static async Task PumpAsync(Socket from, Socket to)
    {
        var buffer = new byte[64 << 10];
        try
        {
            for (var got = await from.ReceiveAsync(buffer); got > 0; got = await from.ReceiveAsync(buffer))
            {
                await to.SendAsync(buffer.AsMemory(0, got));
            }
        }
        catch (Exception ended) when (ended is SocketException or ObjectDisposedException)
        {
            // Cut, or the other end is gone.
        }
    }
}
