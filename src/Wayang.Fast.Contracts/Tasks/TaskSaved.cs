namespace Wayang.Fast.Contracts.Tasks;

/// <summary>The state that a task saved last: what its next attempt begins from.</summary>
/// <param name="Bytes">Of it.</param>
/// <param name="At">When it was saved.</param>
/// <param name="Times">How often the task has saved.</param>
public sealed record TaskSaved(long Bytes, DateTimeOffset At, long Times);
