using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;

namespace Wayang.Fast.Client;

/// <summary>Writes a request's parameter map.</summary>
internal delegate void RequestEncoder(ref MessagePackWriter writer);

/// <summary>Reads a response map; null when it is not what the operation answers.</summary>
internal delegate T? ResponseDecoder<T>(ref MessagePackReader reader)
    where T : class;

/// <summary>A call without its answer yet.</summary>
internal abstract class PendingCall
{
    /// <summary>Reads the result; returns without an effect when the call was given up meanwhile.</summary>
    public abstract void Complete(ref MessagePackReader result);

    public abstract void Fail(Exception failure);

    public abstract void Abandon(CancellationToken cancellation);
}

internal sealed class PendingCall<T>(ResponseDecoder<T> decode) : PendingCall
    where T : class
{
    private readonly TaskCompletionSource<T> _source = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<T> Result => _source.Task;

    public override void Complete(ref MessagePackReader result)
    {
        if (decode(ref result) is { } value)
        {
            _source.TrySetResult(value);
        }
        else
        {
            _source.TrySetException(new WayangException(ErrorCode.Internal, "The node's answer is not understood: are both of the same version?"));
        }
    }

    public override void Fail(Exception failure) => _source.TrySetException(failure);

    public override void Abandon(CancellationToken cancellation) => _source.TrySetCanceled(cancellation);
}
