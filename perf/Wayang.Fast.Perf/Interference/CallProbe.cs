using System.Diagnostics;
using System.Net.Sockets;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Perf.Harness;
using Wayang.Fast.Perf.Rpc;

namespace Wayang.Fast.Perf.Interference;

/// <summary>
/// One caller's warm calls of one class, due at times that the node has no part in (<see cref="Arrivals"/>) and counted from then.
/// </summary>
internal sealed class CallProbe : IDisposable
{
    private const int PayloadBytes = 16;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);

    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = (int)s_patience.TotalMilliseconds };
    private readonly FrameCounter _replies;
    private readonly byte[] _request;
    private readonly long _interval;
    private readonly Thread _thread;
    private volatile LatencyHistogram _histogram = new();
    private volatile bool _over;
    private volatile Exception? _failure;

    /// <param name="socketPath">Of the node.</param>
    /// <param name="image">Of the plugin.</param>
    /// <param name="taskClass">Of the calls.</param>
    /// <param name="interval">Between two calls, in the mean.</param>
    public CallProbe(string socketPath, string image, TaskClass taskClass, TimeSpan interval)
    {
        _socket.Connect(new UnixDomainSocketEndPoint(socketPath));
        _replies = new FrameCounter(_socket);
        _request = RpcFrames.Run(image, "echo", PayloadBytes, taskClass);
        _interval = (long)(interval.TotalSeconds * Stopwatch.Frequency);
        _thread = new Thread(Run) { Name = "probe-" + taskClass, IsBackground = true };
        _thread.Start();
        Priority = ProbePriority.Raise(_thread.Name);
    }

    /// <summary>What the caller's thread runs at.</summary>
    public string Priority { get; }

    /// <summary>Nanoseconds, from now on.</summary>
    public void Restart() => _histogram = new LatencyHistogram();

    /// <summary>Nanoseconds, since the last <see cref="Restart"/>.</summary>
    public LatencyHistogram Take() => _failure is { } failure
        ? throw new PerfException($"a call failed: {failure.Message}") : _histogram.Snapshot();

    public void Dispose()
    {
        _over = true;
        _thread.Join();
        _socket.Dispose();
    }

    private void Run()
    {
        try
        {
            var arrivals = new Arrivals(_interval);
            for (var due = Stopwatch.GetTimestamp(); !_over; due += arrivals.Next())
            {
                var start = Arrivals.Await(due);
                _socket.Send(_request);
                _replies.Read();
                _histogram.Record((long)Stopwatch.GetElapsedTime(start).TotalNanoseconds);
            }
        }
#pragma warning disable CA1031 // Told when the figures are asked for.
        catch (Exception caught)
#pragma warning restore CA1031
        {
            _failure = caught;
        }
    }
}
