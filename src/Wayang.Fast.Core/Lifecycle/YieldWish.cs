using Wayang.Fast.Contracts.Errors;

namespace Wayang.Fast.Core.Lifecycle;

/// <summary>Somebody wants the place of a running call that can save its state and yield. Answered once, by the completion thread.</summary>
/// <param name="answer">Told null when the call has yielded and its task waits, paused; else why it did not.</param>
public sealed class YieldWish(Action<OperationError?> answer)
{
    /// <summary>For who gave up waiting.</summary>
    public static OperationError Ended { get; } = new(ErrorCode.Conflict, "its attempt ended before it could give its place back", "task");

    public void Answer(OperationError? refusal) => answer(refusal);
}
