using System.Diagnostics;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.MessagePackRpc;

/// <summary>One <c>task.wait</c>: answered once, by the task's end or by its timer, or forgotten with its connection.</summary>
internal sealed class PendingWait(RpcConnection connection, ITaskService tasks, TaskId id, uint messageId) : ITaskObserver, IDisposable
{
    private readonly long _begun = Stopwatch.GetTimestamp();
    private int _told;
    private ITimer? _timer;

    /// <summary>After a refusal it is over, and no longer counted.</summary>
    public OperationError? Start(int tenant, TimeSpan? timeout, TimeProvider time)
    {
        var started = false;
        try
        {
            var refusal = tasks.Wait(id, tenant, this, messageId);
            started = refusal is null;
            if (!started)
            {
                return refusal;
            }
        }
        finally
        {
            // Whoever tells ends the count: a closing connection may have been faster.
            if (!started && Interlocked.Exchange(ref _told, 1) == 0)
            {
                connection.EndWait(this);
                connection.EndCall();
            }
        }

        if (timeout is { } period && Volatile.Read(ref _told) == 0)
        {
            _timer = time.CreateTimer(static state => ((PendingWait)state!).OnTimeout(), this, period, Timeout.InfiniteTimeSpan);
            if (Volatile.Read(ref _told) != 0)
            {
                _timer.Dispose();
            }
        }

        return null;
    }

    public void OnTaskEnded(ITaskView task, long token)
    {
        if (Interlocked.Exchange(ref _told, 1) == 0)
        {
            connection.Calls.CountSince(OperationKind.TaskWait, ErrorCode.None, _begun);
            connection.OnTaskEnded(task, token | RpcConnection.OfWait);
            connection.EndWait(this);
            _timer?.Dispose();
        }
    }

    public void OnRefused(TaskId id, OperationError refusal, long token)
    {
        if (Interlocked.Exchange(ref _told, 1) == 0)
        {
            connection.EndWait(this);
            connection.Calls.CountSince(OperationKind.TaskWait, refusal.Code, _begun);
            connection.Complete(messageId, refusal);
            _timer?.Dispose();
        }
    }

    public void OnBatchEnd() => connection.OnBatchEnd();

    /// <summary>The connection is gone: nobody is to be told.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _told, 1) == 0)
        {
            tasks.Forget(id, this, messageId);
            connection.EndCall();
        }

        _timer?.Dispose();
    }

    private void OnTimeout()
    {
        if (Interlocked.Exchange(ref _told, 1) == 0)
        {
            tasks.Forget(id, this, messageId);
            connection.EndWait(this);
            connection.Calls.CountSince(OperationKind.TaskWait, ErrorCode.WaitTimeout, _begun);
            connection.Complete(messageId, new OperationError(ErrorCode.WaitTimeout, "The task had not ended when timeout_ms ran out; it goes on."));
            _timer?.Dispose();
        }
    }
}
