using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Gateway.Auth;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>One task of a session: under its number from its submission until its end was told.</summary>
/// <param name="number">The caller's.</param>
/// <param name="acknowledge">Whether the id is told before the end.</param>
/// <param name="room">Of the session's results that wait for their reader.</param>
internal sealed class SessionTask(long number, bool acknowledge, ByteBudget room) : ISubmissionReceipt, IDisposable
{
    private readonly TaskCompletionSource<OperationError?> _stored = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private TaskId _id;
    private bool _isUnwanted;

    public long Number => number;

    public bool Acknowledge => acknowledge;

    public ByteBudget Room => room;

    /// <summary>The map of the result, when <see cref="End"/> says so.</summary>
    public PooledBuffer Result { get; } = new(512);

    /// <summary>Set by the desk when the task was taken.</summary>
    public AwaitedEnd? End { get; set; }

    /// <summary>A durable one: it is waited for when it is stored.</summary>
    public bool AwaitsStore { get; set; }

    public TaskId Id
    {
        get
        {
            lock (_gate)
            {
                return _id;
            }
        }
    }

    /// <summary>Ends when it is known whether there is such a task.</summary>
    public Task<OperationError?> Stored => _stored.Task;

    public void Know(TaskId id)
    {
        lock (_gate)
        {
            _id = id;
        }
    }

    /// <summary>True: it was wanted no more before its id was known.</summary>
    public bool IsUnwanted(out TaskId id)
    {
        lock (_gate)
        {
            id = _id;
            return _isUnwanted;
        }
    }

    /// <summary>The caller wants it no more. False: there is no id yet, and who learns it sees to it.</summary>
    public bool TryCancel(out TaskId id)
    {
        lock (_gate)
        {
            _isUnwanted = true;
            id = _id;
            return id != default;
        }
    }

    /// <summary>It was taken, and is known.</summary>
    public void Take() => _stored.TrySetResult(null);

    public void OnStored(TaskId id, long token)
    {
        Know(id);
        Take();
    }

    public void OnRefused(OperationError refusal, long token) => _stored.TrySetResult(refusal);

    /// <summary>Its end was told, or nobody is left to be told.</summary>
    public void Dispose()
    {
        room.Return(End?.Taken ?? 0);
        Result.Dispose();
    }
}
