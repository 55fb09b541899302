namespace Wayang.Fast.Contracts.Tasks;

/// <summary>What is told of a call that was moved between nodes.</summary>
/// <param name="Node">Where it is now; null: at the node where it was submitted.</param>
/// <param name="Times">Moves so far, those back home counted.</param>
/// <param name="Bytes">Of the last one.</param>
/// <param name="Pause">How long its call did nothing for the last one: from the wish to write it down until it went on.</param>
/// <param name="At">When it went on after the last one.</param>
/// <param name="Why">Of the last one.</param>
public sealed record TaskMoves(string? Node, int Times, long Bytes, TimeSpan Pause, DateTimeOffset At, MoveReason Why = MoveReason.Asked);
