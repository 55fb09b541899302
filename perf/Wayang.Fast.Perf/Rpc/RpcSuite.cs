using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Wayang.Fast.Perf.Rpc;

/// <summary>
/// The client's side of rpc.rtt and rpc.throughput and their limits. Frames are encoded beforehand and sockets block, so
/// that what is measured is the node, not a client. The limit is an echo of the same bytes in both directions: a thread
/// that answers each received batch with one send.
/// </summary>
internal static class RpcSuite
{
    /// <summary>Median nanoseconds of one <c>task.run</c>, one in flight.</summary>
    public static double MeasureRtt(string socketPath, string image, string function, int payloadBytes, int rounds, int clientCpu, Action<int> pin)
    {
        var request = RpcFrames.Run(image, function, payloadBytes);
        return OnThread(clientCpu, pin, () =>
        {
            using var socket = Open(socketPath);
            return RoundTrips(socket, request, rounds, ReplyReader(socket));
        });
    }

    /// <summary>Median nanoseconds of one <c>task.run</c> over TCP, one in flight, the session opened before.</summary>
    public static double MeasureTcpRtt(
        EndPoint place, string token, string image, string function, int payloadBytes, int rounds, int clientCpu, Action<int> pin)
    {
        var request = RpcFrames.Run(image, function, payloadBytes);
        return OnThread(clientCpu, pin, () =>
        {
            using var socket = Open(place);
            socket.Send(RpcFrames.Session(token));
            new FrameCounter(socket, expected: "token:").Read();
            return RoundTrips(socket, request, rounds, ReplyReader(socket));
        });
    }

    /// <summary>Answered <c>task.run</c> a second, <paramref name="window"/> in flight on one connection.</summary>
    public static double MeasureThroughput(
        string socketPath, string image, string function, int payloadBytes, int window, int calls, int clientCpu, Action<int> pin) =>
        OnThread(clientCpu, pin, () =>
        {
            using var socket = Open(socketPath);
            var one = RpcFrames.Run(image, function, payloadBytes);
            var requests = Repeat(one, window);
            var reply = ReplyReader(socket);

            // Warm: target resolved, worker forked, code compiled.
            Pump(socket, requests, one.Length, window, Math.Min(calls, 20 * window), reply);
            var start = Stopwatch.GetTimestamp();
            Pump(socket, requests, one.Length, window, calls, reply);
            return calls / Stopwatch.GetElapsedTime(start).TotalSeconds;
        });

    /// <summary>Median nanoseconds of an echo: <paramref name="requestBytes"/> there, <paramref name="replyBytes"/> back.</summary>
    public static double MeasureEchoRtt(
        int requestBytes, int replyBytes, int rounds, int clientCpu, int serverCpu, Action<int> pin, bool overTcp = false)
    {
        using var echo = new EchoServer(requestBytes, replyBytes, serverCpu, pin, overTcp);
        return OnThread(clientCpu, pin, () =>
        {
            using var socket = Open(echo.Place);
            var answer = new byte[replyBytes];
            return RoundTrips(socket, new byte[requestBytes], rounds, () => ReadExactly(socket, answer));
        });
    }

    /// <summary>Echoes a second, <paramref name="window"/> in flight, answers of a batch in one send.</summary>
    public static double MeasureEchoThroughput(
        int requestBytes, int replyBytes, int window, int calls, int clientCpu, int serverCpu, Action<int> pin)
    {
        using var echo = new EchoServer(requestBytes, replyBytes, serverCpu, pin);
        return OnThread(clientCpu, pin, () =>
        {
            using var socket = Open(echo.Place);
            var requests = new byte[window * requestBytes];
            var counter = new ByteCounter(socket, replyBytes);
            Pump(socket, requests, requestBytes, window, Math.Min(calls, 20 * window), counter.Read);
            var start = Stopwatch.GetTimestamp();
            Pump(socket, requests, requestBytes, window, calls, counter.Read);
            return calls / Stopwatch.GetElapsedTime(start).TotalSeconds;
        });
    }

    /// <summary>Bytes of a request and its reply, so that the echo moves as many.</summary>
    public static (int RequestBytes, int ReplyBytes) MeasureSizes(string socketPath, string image, string function, int payloadBytes)
    {
        using var socket = Open(socketPath);
        var request = RpcFrames.Run(image, function, payloadBytes);
        socket.Send(request);
        var counter = new FrameCounter(socket);
        counter.Read();
        return (request.Length, counter.LastLength);
    }

    private static double RoundTrips(Socket socket, byte[] request, int rounds, Func<int> readOne)
    {
        for (var i = 0; i < Math.Min(rounds, 2000); i++)
        {
            socket.Send(request);
            readOne();
        }

        var samples = new long[rounds];
        for (var i = 0; i < rounds; i++)
        {
            var start = Stopwatch.GetTimestamp();
            socket.Send(request);
            readOne();
            samples[i] = Stopwatch.GetTimestamp() - start;
        }

        Array.Sort(samples);
        return samples[rounds / 2] * 1e9 / Stopwatch.Frequency;
    }

    /// <summary>Keeps the window full: each read of some answers is followed by one send of as many requests.</summary>
    private static void Pump(Socket socket, byte[] requests, int requestBytes, int window, int calls, Func<int> readSome)
    {
        var sent = Math.Min(window, calls);
        socket.Send(requests.AsSpan(0, sent * requestBytes));
        for (var answered = 0; answered < calls;)
        {
            var count = readSome();
            answered += count;
            var next = Math.Min(count, calls - sent);
            if (next > 0)
            {
                socket.Send(requests.AsSpan(0, next * requestBytes));
                sent += next;
            }
        }
    }

    private static Func<int> ReplyReader(Socket socket) => new FrameCounter(socket).Read;

    private static int ReadExactly(Socket socket, Span<byte> buffer)
    {
        for (var got = 0; got < buffer.Length;)
        {
            got += FrameCounter.Received(socket.Receive(buffer[got..]));
        }

        return 1;
    }

    private static byte[] Repeat(byte[] one, int count)
    {
        var all = new byte[one.Length * count];
        for (var i = 0; i < count; i++)
        {
            one.CopyTo(all, i * one.Length);
        }

        return all;
    }

    private static Socket Open(string path) => Open(new UnixDomainSocketEndPoint(path));

    private static Socket Open(EndPoint place)
    {
        var socket = new Socket(place.AddressFamily, SocketType.Stream, place is IPEndPoint ? ProtocolType.Tcp : ProtocolType.Unspecified);
        socket.Connect(place);
        if (place is IPEndPoint)
        {
            socket.NoDelay = true;
        }

        return socket;
    }

    /// <summary>A thread of its own: pinning must not follow a pool thread around.</summary>
    private static double OnThread(int cpu, Action<int> pin, Func<double> measure)
    {
        var result = 0.0;
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                pin(cpu);
                result = measure();
            }
#pragma warning disable CA1031 // Carried to the caller's thread.
            catch (Exception caught)
#pragma warning restore CA1031
            {
                failure = caught;
            }
        });
        thread.Start();
        thread.Join();
        return failure is null ? result : throw new InvalidOperationException($"The measurement failed: {failure.Message}", failure);
    }

    /// <summary>Counts whole answers of a fixed size.</summary>
    private sealed class ByteCounter(Socket socket, int size)
    {
        private readonly byte[] _buffer = new byte[256 << 10];
        private int _rest;

        public int Read()
        {
            while (true)
            {
                _rest += FrameCounter.Received(socket.Receive(_buffer));
                if (_rest >= size)
                {
                    var count = _rest / size;
                    _rest %= size;
                    return count;
                }
            }
        }
    }
}
