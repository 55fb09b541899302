using System.Diagnostics;
using System.Net.Sockets;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf.Interference;

/// <summary>
/// What the machine itself gives beside the bombs: two threads, real time where the host allows it, that exchange a byte at times of their own and do
/// nothing else. A call wakes a thread six times, this twice; both wait when the kernel is busy with a bomb and lets nobody else go on.
/// </summary>
internal sealed class BareExchange : IDisposable
{
    private readonly Socket _near = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly Socket _far;
    private readonly Thread _asking;
    private readonly Thread _answering;
    private volatile LatencyHistogram _histogram = new();
    private volatile bool _over;

    public BareExchange(TimeSpan interval)
    {
        var path = Path.Combine(Path.GetTempPath(), $"wayang-perf-bare-{Environment.ProcessId}");
        using (var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            listener.Bind(new UnixDomainSocketEndPoint(path));
            listener.Listen(1);
            _near.Connect(new UnixDomainSocketEndPoint(path));
            _far = listener.Accept();
        }

        File.Delete(path);
        _answering = Begin("bare-answer", () =>
        {
            var one = new byte[1];
            while (_far.Receive(one) == 1)
            {
                _far.Send(one);
            }
        });
        _asking = Begin("bare-ask", () => Ask((long)(interval.TotalSeconds * Stopwatch.Frequency)));
    }

    /// <summary>Nanoseconds, from now on.</summary>
    public void Restart() => _histogram = new LatencyHistogram();

    /// <summary>Nanoseconds, since the last <see cref="Restart"/>.</summary>
    public LatencyHistogram Take() => _histogram.Snapshot();

    public void Dispose()
    {
        _over = true;
        _asking.Join();
        _near.Dispose(); // the other end reads nothing more
        _answering.Join();
        _far.Dispose();
    }

    private static Thread Begin(string name, Action work)
    {
        var thread = new Thread(() => work()) { Name = name, IsBackground = true };
        thread.Start();
        ProbePriority.Raise(name);
        return thread;
    }

    private void Ask(long interval)
    {
        var one = new byte[1];
        var arrivals = new Arrivals(interval);
        for (var due = Stopwatch.GetTimestamp(); !_over; due += arrivals.Next())
        {
            var start = Arrivals.Await(due);
            _near.Send(one);
            if (_near.Receive(one) != 1)
            {
                throw new PerfException("the bare exchange was closed");
            }

            _histogram.Record((long)Stopwatch.GetElapsedTime(start).TotalNanoseconds);
        }
    }
}
