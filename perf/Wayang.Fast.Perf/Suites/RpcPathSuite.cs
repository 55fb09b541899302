using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf.Suites;

/// <summary>The value side: a daemon behind its unix socket, and the echo that it is held against.</summary>
public abstract class RpcTarget : IDisposable
{
    /// <summary>Median nanoseconds of one `task.run`, one in flight.</summary>
    public abstract double MeasureRoundTrip(int calls);

    /// <summary>`task.run` per second, 64 in flight on one connection.</summary>
    public abstract double MeasureThroughput(int calls);

    /// <summary>Median nanoseconds of an echo of the same bytes over a unix socket.</summary>
    public abstract double MeasureEchoRoundTrip(int calls);

    /// <summary>Median nanoseconds of one `task.run` over TCP, one in flight, in a session that is open.</summary>
    public abstract double MeasureTcpRoundTrip(int calls);

    /// <summary>Median nanoseconds of an echo of the same bytes over TCP.</summary>
    public abstract double MeasureTcpEchoRoundTrip(int calls);

    /// <summary>Echoes per second, 64 deep and coalesced.</summary>
    public abstract double MeasureEchoThroughput(int calls);

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected abstract void Dispose(bool disposing);
}

/// <summary>A call over the socket against an echo plus the hand-over to a worker that it cannot avoid.</summary>
/// <param name="open">Starts a daemon; null says so.</param>
public sealed class RpcPathSuite(Func<SuiteContext, RpcTarget>? open) : Suite
{
    public override string Name => "rpc";

    public override IReadOnlyList<Measurement> Run(SuiteContext context)
    {
        if (open is null)
        {
            throw new PerfException("the rpc suite is not connected in Composition.cs");
        }

        using var target = open(context);
        var futex = context.PingPong("ref_futex_pingpong", context.Scale(2_000));
        var calls = context.Scale(10_000);
        var many = context.Scale(200_000);
        context.Tell("task.run, one in flight");
        var roundTrip = Rounds.Interleave(context.Rounds, Quantity.Time, () => target.MeasureRoundTrip(calls), () => target.MeasureEchoRoundTrip(calls) + futex());
        context.Tell("task.run over TCP, one in flight");
        var overTcp = Rounds.Interleave(
            context.Rounds, Quantity.Time, () => target.MeasureTcpRoundTrip(calls), () => target.MeasureTcpEchoRoundTrip(calls) + futex());
        context.Tell("task.run, pipelined");
        var throughput = Rounds.Interleave(context.Rounds, Quantity.Rate, () => target.MeasureThroughput(many), () => target.MeasureEchoThroughput(many));
        return
        [
            Measurement.Of("rpc.rtt", "ns", Better.Lower, roundTrip),
            Measurement.Of("rpc.tcp.rtt", "ns", Better.Lower, overTcp),
            Measurement.Of("rpc.throughput", "calls/s", Better.Higher, throughput),
        ];
    }
}
