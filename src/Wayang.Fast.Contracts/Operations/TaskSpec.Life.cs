using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Contracts.Operations;

/// <summary>When an attempt that failed is followed by another; what is null is the node's default.</summary>
/// <param name="MaxAttempts">Attempts in all, the first counted: 1 to 100.</param>
public sealed record RetrySpec(int MaxAttempts)
{
    /// <summary>Pause after the first attempt.</summary>
    public TimeSpan? Backoff { get; init; }

    /// <summary>No pause is longer.</summary>
    public TimeSpan? MaxBackoff { get; init; }

    /// <summary>Each pause is so much of the one before: 100 to 1000.</summary>
    public int? MultiplierPercent { get; init; }

    /// <summary>A pause is shortened at random by up to so much: 0 to 100.</summary>
    public int? JitterPercent { get; init; }

    /// <summary>Which causes; empty: all that can be retried.</summary>
    public IReadOnlyList<CauseType> On { get; init; } = [];
}

/// <content>The terms of its life.</content>
public sealed partial record TaskSpec
{
    /// <summary>Null: one attempt.</summary>
    public RetrySpec? Retry { get; init; }

    /// <summary>When it is stopped, whether it waits or runs.</summary>
    public DateTimeOffset? Deadline { get; init; }

    /// <summary>The task whose end ends this one.</summary>
    public TaskId? Parent { get; init; }

    /// <summary>Only the parent's cancel ends it.</summary>
    public bool Detached { get; init; }

    public string? Group { get; init; }

    /// <summary>It is stored before it is acknowledged, and outlives a restart of the node; null: as the node is configured.</summary>
    public bool? Durable { get; init; }

    /// <summary>What becomes of it when it is to give its place back while it runs; null: it is written down as it is (calls).</summary>
    public TaskMigration? Migration { get; init; }

    /// <summary>The same key with the same parameters is the same task.</summary>
    public string? IdempotencyKey { get; init; }
}

/// <summary>A group as <c>group.list</c> tells of it.</summary>
/// <param name="Live">Tasks that have not ended.</param>
/// <param name="Ended">Tasks that ended since it began, by state.</param>
public sealed record GroupListed(string Group, long Live, IReadOnlyDictionary<TaskState, long> Ended);

/// <summary>What <c>group.list</c> answers.</summary>
/// <param name="Groups">In the order of their names.</param>
/// <param name="Next">The cursor of the next page; null: that was all.</param>
public sealed record GroupPage(IReadOnlyList<GroupListed> Groups, string? Next);

/// <summary>What <c>group.get</c> and <c>group.wait</c> answer: how many tasks are in each state, ended ones since the group began.</summary>
public sealed record GroupInfo(string Group, IReadOnlyDictionary<TaskState, long> States)
{
    /// <summary>Tasks that have not ended.</summary>
    public long Live => States.Where(static s => s.Key < TaskState.Succeeded).Sum(static s => s.Value);
}
