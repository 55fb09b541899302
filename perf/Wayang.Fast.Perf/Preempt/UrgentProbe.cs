using System.Diagnostics;
using System.Net.Sockets;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Perf.Interference;
using Wayang.Fast.Perf.Rpc;

namespace Wayang.Fast.Perf.Preempt;

/// <summary>One caller of urgent calls at random instants, one at a time; each is waited for from its sending until its answer is there.</summary>
internal sealed class UrgentProbe : IDisposable
{
    private const int LeastPauseMs = 5;
    private const int MostPauseMs = 45;
    private const int PayloadBytes = 16;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);

    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = (int)s_patience.TotalMilliseconds };
    private readonly FrameCounter _replies;
    private readonly byte[] _request;
    private readonly Random _random;

    public UrgentProbe(string socketPath, string image, int seed)
    {
        _socket.Connect(new UnixDomainSocketEndPoint(socketPath));
        _replies = new FrameCounter(_socket);
        _request = RpcFrames.Run(image, "echo", PayloadBytes, TaskClass.Urgent);
        _random = new Random(seed);
    }

    /// <summary>One call; microseconds until its answer was there.</summary>
    public double Call()
    {
        var start = Stopwatch.GetTimestamp();
        _socket.Send(_request);
        _replies.Read();
        return Stopwatch.GetElapsedTime(start).TotalMicroseconds;
    }

    /// <summary>Calls for as long, on a thread that goes before the tasks as the node itself does.</summary>
    public List<double> CallFor(TimeSpan time)
    {
        var waits = new List<double>();
        Exception? failure = null;
        using var go = new ManualResetEventSlim();
        var thread = new Thread(() =>
        {
            go.Wait();
            try
            {
                for (var start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start) < time;)
                {
                    Thread.Sleep(_random.Next(LeastPauseMs, MostPauseMs));
                    waits.Add(Call());
                }
            }
#pragma warning disable CA1031 // Told below.
            catch (Exception caught)
#pragma warning restore CA1031
            {
                failure = caught;
            }
        }) { Name = "probe-preempt", IsBackground = true };
        thread.Start();
        ProbePriority.Raise(thread.Name);
        go.Set();
        thread.Join();
        return failure is null ? waits : throw new Harness.PerfException($"an urgent call failed: {failure.Message}");
    }

    public void Dispose() => _socket.Dispose();
}
