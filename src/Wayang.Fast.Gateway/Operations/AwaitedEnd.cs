using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Gateway.Auth;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>
/// Somebody who awaits the end of a task. The record is valid only while the completion thread tells of it, so its result is copied there, and
/// nothing else is done there: whoever awaits goes on on the thread pool, with the others of the batch.
/// </summary>
/// <param name="reply">Gets the result.</param>
/// <param name="told">The ends of a batch.</param>
/// <param name="room">Of the results that wait for their reader; null: it is awaited by one who reads it at once.</param>
internal sealed class AwaitedEnd(PooledBuffer reply, AwaitedEnds told, ByteBudget? room = null) : ITaskObserver
{
    /// <summary>What a result takes beside its payloads.</summary>
    private const int RoomForFacts = 512;

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
            Id = task.Id;
            Keep(task);
            told.Add(this);
        }
    }

    /// <summary>Of the task that ended.</summary>
    public TaskId Id { get; private set; }

    /// <summary>There was no room for the result: it is to be asked for when there is somebody to read it.</summary>
    public bool IsLeftOut { get; private set; }

    /// <summary>Of the room; given back by who has read the result.</summary>
    public long Taken { get; private set; }

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

    private void Keep(ITaskView task)
    {
        var bytes = room is null ? 0 : RoomForFacts + ReplyEncoder.PayloadBytes(task);
        if (room?.TryTake(bytes) == false)
        {
            IsLeftOut = true;
            return;
        }

        Taken = bytes;
        var writer = new MessagePackWriter(reply);
        ReplyEncoder.TaskResult(ref writer, task);
        writer.Commit();
    }

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
