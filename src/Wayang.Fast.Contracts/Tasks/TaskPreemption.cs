namespace Wayang.Fast.Contracts.Tasks;

/// <summary>What is told of a task that was frozen for others. Immutable; replaced at each freeze and thaw.</summary>
/// <param name="Times">How often it was frozen.</param>
/// <param name="FrozenMicroseconds">For how long altogether, the freeze that is under way left out.</param>
/// <param name="By">The task that got its slot last.</param>
/// <param name="Reason">Why it was this one, in a sentence.</param>
/// <param name="Since">Since when it is frozen; null: it is not now.</param>
public sealed record TaskPreemption(int Times, long FrozenMicroseconds, TaskId By, PreemptionReason Reason, DateTimeOffset? Since);
