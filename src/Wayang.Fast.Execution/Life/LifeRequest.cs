using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Handover;

namespace Wayang.Fast.Execution.Life;

internal enum LifeRequestKind : byte
{
    /// <summary>Hold the task, or stop its processes.</summary>
    Pause,

    /// <summary>Let it go on.</summary>
    Resume,

    /// <summary>Write its running call down.</summary>
    Checkpoint,

    /// <summary>Let it wait as <see cref="LifeRequest.Update"/> says.</summary>
    Update,

    /// <summary>It was admitted with a parent: that one learns of it.</summary>
    Adopt,

    /// <summary>Do <see cref="LifeRequest.Step"/>: what a hand-over does with its task.</summary>
    Handover,
}

/// <summary>Something that the completion thread does with a task's life, and answers. Made by any thread.</summary>
internal sealed class LifeRequest(LifeRequestKind kind, TaskId id)
{
    private readonly TaskCompletionSource<OperationError?> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public LifeRequestKind Kind { get; } = kind;

    public TaskId Id { get; } = id;

    public TaskUpdate? Update { get; init; }

    /// <summary>What is done, or why it is not.</summary>
    public Func<TaskRecord, OperationError?>? Step { get; init; }

    /// <summary>A hand-over asks, not a tenant: it may change a call that only visits this node.</summary>
    public bool OfHandover { get; init; }

    /// <summary>Sends a call that is written down to another node meanwhile; null: nobody does.</summary>
    public CallSender? Sender { get; init; }

    /// <summary>What a call that is asked to yield was asked with; null: none was. Completion thread only.</summary>
    public YieldWish? Wish { get; set; }

    public Task<OperationError?> Answer => _answer.Task;

    /// <summary>Any thread; the first answer counts.</summary>
    public void Reply(OperationError? refusal) => _answer.TrySetResult(refusal);
}
