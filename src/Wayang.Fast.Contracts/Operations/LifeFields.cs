namespace Wayang.Fast.Contracts.Operations;

/// <summary>The terms of a task's life: rows of <see cref="OperationTable.TaskFields"/>, and what is told of them.</summary>
public static class LifeFields
{
    /// <summary>Positions in the map <c>retry</c>.</summary>
    public static class RetryKey
    {
        public const int MaxAttempts = 0;
        public const int BackoffMs = 1;
        public const int MaxBackoffMs = 2;
        public const int MultiplierPercent = 3;
        public const int JitterPercent = 4;
        public const int On = 5;
        public const int Count = 6;
    }

    public const int DefaultBackoffMs = 1_000;
    public const int DefaultMaxBackoffMs = 60_000;
    public const int DefaultMultiplierPercent = 200;
    public const int DefaultJitterPercent = 20;

    public static RequestField Retry { get; } =
        new("retry", FieldType.Map, "Another attempt when one fails: {max_attempts, backoff_ms?, max_backoff_ms?, multiplier_percent?, jitter_percent?, on?}.")
        {
            Map = new RequestMap("retry",
            [
                new("max_attempts", FieldType.Integer, "Attempts in all, the first counted.") { Required = true, Min = 1, Max = 100 },
                new("backoff_ms", FieldType.Integer, "Pause after the first attempt; default 1000.") { Max = 86_400_000 },
                new("max_backoff_ms", FieldType.Integer, "No pause is longer; default 60000.") { Max = 86_400_000 },
                new("multiplier_percent", FieldType.Integer, "Each pause is so much of the one before: 100 keeps it, 200 (default) doubles it.") { Min = 100, Max = 1_000 },
                new("jitter_percent", FieldType.Integer, "A pause is shortened at random by up to so much; default 20.") { Max = 100 },
                new("on", FieldType.TextList, "Causes that are retried: exit, signal, exception, out_of_memory, timeout, disk_quota, worker_lost; default: all of them.") { Min = 1, Max = 16 },
            ]),
        };

    /// <summary>What <c>task.get</c>, <c>task.list</c> and ends tell of it; absent for tasks without.</summary>
    public static IReadOnlyList<ResponseField> Told { get; } =
    [
        new("attempt", "integer", "The attempt that runs, ran last or comes next, of a task with a retry.", Optional: true),
        new("max_attempts", "integer", "Of its retry.", Optional: true),
        new("attempts", "list of map", "Earlier attempts: {attempt, state, cause, run_us}; of many the last 16.", Optional: true),
        new("retry_at", "time", "When the next attempt is queued, while it is waited for.", Optional: true),
    ];
}
