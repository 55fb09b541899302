using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Core.Admission;

namespace Wayang.Fast.Core.Tests.Admission;

public class AdmissionGateTests
{
    [Fact]
    [Trait("Promise", "PS1")]
    public void EachBoundRefusesByNameAndValue()
    {
        var gate = new AdmissionGate(new AdmissionOptions(2, 100, 80));
        var large = gate.TryAdmit(81);
        Assert.Equal((ErrorCode.TooLarge, "data"), (large!.Code, large.Field));
        Assert.Contains("max_payload_bytes of 80", large.Message, StringComparison.Ordinal);
        Assert.Null(gate.TryAdmit(60));
        var bytes = gate.TryAdmit(50);
        Assert.Equal(ErrorCode.ResourceExhausted, bytes!.Code);
        Assert.Contains("100 bytes", bytes.Message, StringComparison.Ordinal);
        Assert.NotNull(bytes.RetryAfterMs);
        Assert.Null(gate.TryAdmit(40));
        var count = gate.TryAdmit(0);
        Assert.Contains("2 tasks", count!.Message, StringComparison.Ordinal);
        gate.Release(60);
        gate.Release(40);
        Assert.Equal((0, 0, 3), (gate.Queued, gate.QueuedBytes, gate.Refused));
        Assert.Null(gate.TryAdmit(80));
    }

    [Fact]
    [Trait("Promise", "CFG")]
    public void OtherBoundsHoldAtOnceAndWhatIsInsideStays()
    {
        var gate = new AdmissionGate(new AdmissionOptions(2, 100, 80));
        Assert.Null(gate.TryAdmit(50));
        gate.Change(new AdmissionOptions(1, 200, 10));
        Assert.Equal(ErrorCode.ResourceExhausted, gate.TryAdmit(1)?.Code);
        Assert.Equal(ErrorCode.TooLarge, gate.TryAdmit(11)?.Code);
        Assert.Equal((1, 50), (gate.Queued, gate.QueuedBytes));
        gate.Release(50);
        Assert.Null(gate.TryAdmit(10));
    }

    [Fact]
    public void ConcurrentCallersNeverPassTheBound()
    {
        var gate = new AdmissionGate(new AdmissionOptions(3, 1000, 1000));
        var inside = 0;
        var highest = 0;
        Parallel.For(0, 4, _ =>
        {
            for (var i = 0; i < 100_000; i++)
            {
                if (gate.TryAdmit(10) is null)
                {
                    highest = Math.Max(highest, Interlocked.Increment(ref inside));
                    Interlocked.Decrement(ref inside);
                    gate.Release(10);
                }
            }
        });
        Assert.InRange(highest, 1, 3);
        Assert.Equal((0, 0), (gate.Queued, gate.QueuedBytes));
    }
}
