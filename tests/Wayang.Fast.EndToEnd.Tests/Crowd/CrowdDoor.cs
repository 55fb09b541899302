using System.Net;
using System.Net.Sockets;

namespace Wayang.Fast.EndToEnd.Tests.Crowd;

/// <summary>A door with many connections: some that do nothing, some that send a byte now and then, some that read a byte now and then. Until they are told to stop.</summary>
/// <param name="Name">For a person.</param>
/// <param name="Place">Where it is.</param>
/// <param name="Opening">What a connection begins with; the answer to it is read.</param>
/// <param name="Requests">What a connection asks at once, that then reads none of it.</param>
internal sealed record CrowdDoor(string Name, EndPoint Place, byte[] Opening, byte[][] Requests)
{
    private static readonly TimeSpan s_slow = TimeSpan.FromMilliseconds(200);

    /// <summary>What one connection that does not read can make the daemon hold at most.</summary>
    public required long HeldBytes { get; init; }

    /// <summary>Opens the connections, one after the other, each of its kind; what they do then ends with the token.</summary>
    public async Task<List<Task>> OpenAsync(int count, CancellationToken stop)
    {
        var members = new List<Task>();
        for (var i = 0; i < count; i++)
        {
            var socket = await ConnectAsync();
            members.Add((i % 3) switch
            {
                0 => KeepAsync(socket, stop),
                1 => WriteSlowlyAsync(socket, stop),
                _ => ReadSlowlyAsync(socket, stop),
            });
        }

        return members;
    }

    private async Task<Socket> ConnectAsync()
    {
        var socket = new Socket(Place.AddressFamily, SocketType.Stream, Place is UnixDomainSocketEndPoint ? ProtocolType.Unspecified : ProtocolType.Tcp) { ReceiveBufferSize = 4096 };
        await socket.ConnectAsync(Place);
        if (Opening.Length > 0)
        {
            await socket.SendAsync(Opening);
            await socket.ReceiveAsync(new byte[512]);
        }

        return socket;
    }

    private static async Task KeepAsync(Socket socket, CancellationToken stop)
    {
        using (socket)
        {
            await Pause(Timeout.InfiniteTimeSpan, stop);
        }
    }

    private async Task WriteSlowlyAsync(Socket socket, CancellationToken stop)
    {
        using (socket)
        {
            try
            {
                foreach (var octet in Requests[0][..^1])
                {
                    await socket.SendAsync((byte[])[octet]);
                    if (!await Pause(s_slow, stop))
                    {
                        return;
                    }
                }

                await Pause(Timeout.InfiniteTimeSpan, stop);
            }
            catch (SocketException)
            {
                // It was given up, as it may be.
            }
        }
    }

    private async Task ReadSlowlyAsync(Socket socket, CancellationToken stop)
    {
        using (socket)
        {
            try
            {
                foreach (var request in Requests)
                {
                    await socket.SendAsync(request, stop);
                }

                while (await socket.ReceiveAsync(new byte[1], stop) > 0 && await Pause(s_slow, stop))
                {
                }
            }
            catch (Exception given) when (given is SocketException or OperationCanceledException)
            {
                // It was given up, as it may be; or the test has seen enough.
            }
        }
    }

    private static async Task<bool> Pause(TimeSpan time, CancellationToken stop)
    {
        try
        {
            await Task.Delay(time, stop);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }
}
