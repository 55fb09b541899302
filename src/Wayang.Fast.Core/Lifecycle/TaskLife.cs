using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Core.Lifecycle;

/// <summary>
/// What few tasks have beside their record: attempts. Written by the completion thread, which decides about all of it; read by any
/// thread, as values that are replaced whole.
/// </summary>
public sealed class TaskLife
{
    /// <summary>Earlier attempts that are remembered; of more, the last.</summary>
    public const int MaxRemembered = 16;

    private TaskAttempt[] _earlier = [];
    private int _attempt = 1;
    private long _retryAtUnixMs;

    /// <summary>Null: one attempt.</summary>
    public RetryTerms? Retry { get; internal set; }

    /// <summary>The attempt that runs, ran last, or comes next: 1 for the first.</summary>
    public int Attempt => Volatile.Read(ref _attempt);

    /// <summary>The next attempt is waited for.</summary>
    public bool AwaitsRetry => Volatile.Read(ref _retryAtUnixMs) != 0;

    /// <summary>A copy for those who ask.</summary>
    public TaskLifeFacts Facts()
    {
        var at = Volatile.Read(ref _retryAtUnixMs);
        return new TaskLifeFacts
        {
            Attempt = Attempt,
            MaxAttempts = Retry?.MaxAttempts ?? 1,
            Attempts = Volatile.Read(ref _earlier),
            RetryAt = at == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(at),
        };
    }

    /// <summary>The pause before another attempt; null when the task ends with this one.</summary>
    internal TimeSpan? PauseAfter(TaskState state, in TaskCause cause) =>
        Retry is { } retry && state is TaskState.Failed or TaskState.TimedOut && _attempt < Retry.MaxAttempts && (Retry.On & RetryTerms.Bit(cause.Type)) != 0
#pragma warning disable CA5394 // Not a secret.
            ? Retry.PauseAfter(_attempt, Random.Shared.NextDouble())
#pragma warning restore CA5394
            : null;

    internal void EndAttempt(TaskAttempt ended, long retryAtUnixMs)
    {
        TaskAttempt[] kept = [.. _earlier.Skip(Math.Max(0, _earlier.Length + 1 - MaxRemembered)), ended];
        Volatile.Write(ref _earlier, kept);
        Volatile.Write(ref _attempt, _attempt + 1);
        Volatile.Write(ref _retryAtUnixMs, Math.Max(1, retryAtUnixMs));
    }

    internal void EndWait() => Volatile.Write(ref _retryAtUnixMs, 0);
}
