using System.Buffers;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Http.Features;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Gateway.Auth;

namespace Wayang.Fast.Gateway.Grpc;

/// <summary>
/// A call's body against its caller's budget: what has come and is not taken yet counts, so that many large messages at once are refused while they
/// come, not when they are there. One reader, like any pipe.
/// </summary>
internal sealed class BudgetedBody(PipeReader inner, ByteBudget budget) : PipeReader, IRequestBodyPipeFeature, IDisposable
{
    private ReadOnlySequence<byte> _held;
    private long _charged;

    public PipeReader Reader => this;

    public override async ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default) => Charge(await inner.ReadAsync(cancellationToken));

    public override bool TryRead(out ReadResult result)
    {
        var isThere = inner.TryRead(out result);
        result = isThere ? Charge(result) : result;
        return isThere;
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        var taken = Math.Min(_charged, _held.Slice(0, consumed).Length);
        _held = default;
        inner.AdvanceTo(consumed, examined);
        _charged -= taken;
        budget.Return(taken);
    }

    public override void CancelPendingRead() => inner.CancelPendingRead();

    public override void Complete(Exception? exception = null) => inner.Complete(exception);

    /// <summary>The call is over, whatever became of it.</summary>
    public void Dispose()
    {
        budget.Return(_charged);
        _charged = 0;
    }

    private ReadResult Charge(ReadResult read)
    {
        _held = read.Buffer;
        var more = read.Buffer.Length - _charged;
        if (more > 0 && !budget.TryTake(more))
        {
            throw GrpcFailure.ToException(new(ErrorCode.ResourceExhausted, "Too many large requests are being handled.", RetryAfterMs: 1000));
        }

        _charged += Math.Max(0, more);
        return read;
    }
}
