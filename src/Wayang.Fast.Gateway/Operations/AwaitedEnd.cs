using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>
/// Somebody who awaits the end of a task. The record is valid only while the completion thread tells of it, so its result is copied there, and
/// nothing else is done there: whoever awaits goes on on the thread pool, with the others of the batch.
/// </summary>
internal sealed class AwaitedEnd(PooledBuffer reply, AwaitedEnds told) : ITaskObserver
{
    private readonly TaskCompletionSource _ended = new();
    private int _told;

    /// <summary>Ends when the result stands in the buffer.</summary>
    public Task Ended => _ended.Task;

    /// <summary>Its place among those that were told: theirs.</summary>
    public AwaitedEnd? Before { get; set; }

    public void OnTaskEnded(ITaskView task, long token)
    {
        if (Interlocked.Exchange(ref _told, 1) == 0)
        {
            var writer = new MessagePackWriter(reply);
            ReplyEncoder.TaskResult(ref writer, task);
            writer.Commit();
            told.Add(this);
        }
    }

    /// <summary>Why there is no such task; null: there is.</summary>
    public OperationError? Refusal { get; private set; }

    public void OnRefused(TaskId id, OperationError refusal, long token)
    {
        if (Interlocked.Exchange(ref _told, 1) == 0)
        {
            Refusal = refusal;
            told.Add(this);
            told.Flush();
        }
    }

    public void OnBatchEnd() => told.Flush();

    /// <summary>Whoever awaits goes on, on this thread.</summary>
    public void GoOn() => _ended.SetResult();

    /// <summary>Gives up. False: the end was told meanwhile, and <see cref="Ended"/> ends at once.</summary>
    public bool Abandon(ITaskService tasks, TaskId id)
    {
        if (Interlocked.Exchange(ref _told, 1) != 0)
        {
            return false;
        }

        tasks.Forget(id, this, 0);
        return true;
    }
}
