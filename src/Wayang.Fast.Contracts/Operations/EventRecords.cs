using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Contracts.Operations;

/// <summary>Which events are wanted.</summary>
public sealed record EventQuery
{
    /// <summary>The last number that is known; 0: from the oldest that is kept.</summary>
    public long Since { get; init; }

    /// <summary>What their types begin with; null: any.</summary>
    public string? Type { get; init; }

    /// <summary>Only of this task.</summary>
    public TaskId? Task { get; init; }

    /// <summary>Only of tasks of this group.</summary>
    public string? Group { get; init; }

    /// <summary>Only of this tenant; for the default tenant.</summary>
    public int? Tenant { get; init; }

    /// <summary>info, warning or error at least; null: info.</summary>
    public string? Severity { get; init; }

    public int Limit { get; init; } = 100;

    /// <summary>Where there is nothing: so long.</summary>
    public TimeSpan Wait { get; init; }
}

/// <summary>An event.</summary>
/// <param name="Sequence">Its number.</param>
/// <param name="Subject">The task concerned; empty: none.</param>
/// <param name="Data">What is to be said of it, in JSON.</param>
/// <param name="Json">All of it: CloudEvents 1.0 on one line.</param>
public sealed record EventInfo(long Sequence, string Type, DateTimeOffset Time, string Severity, string Subject, string Data, string Json);

/// <summary>What <c>events.list</c> answers.</summary>
/// <param name="Next">The number to go on from.</param>
/// <param name="Stalled">Why nothing new is told now; null: something may be.</param>
public sealed record EventBatch(IReadOnlyList<EventInfo> Events, long Next, string? Stalled);
