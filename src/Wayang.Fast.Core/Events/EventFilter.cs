using System.Text;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Core.Events;

/// <summary>Which events somebody is told. Immutable.</summary>
public sealed record EventFilter
{
    /// <summary>Null: of all tenants and the node itself.</summary>
    public int? Tenant { get; init; }

    /// <summary>What their type begins with, by whole names; empty: any.</summary>
    public string Type { get; init; } = string.Empty;

    /// <summary>Only of this task; default: of any, and of none.</summary>
    public TaskId Task { get; init; }

    /// <summary>Only of tasks of this group; null: of any, and of none.</summary>
    public string? Group
    {
        get;
        init => (field, _utf8Group) = (value, value is null ? null : Encoding.UTF8.GetBytes(value));
    }

    private readonly byte[]? _utf8Group;

    /// <summary>At least so.</summary>
    public EventSeverity Severity { get; init; }

    public bool Admits(NodeEvent told)
    {
        ArgumentNullException.ThrowIfNull(told);
        return (Tenant is not { } tenant || told.Tenant == tenant)
            && told.Severity >= Severity
            && (Task == default || told.Task == Task)
            && (_utf8Group is null || (told.Task != default && EventData.IsOfGroup(told.Data, _utf8Group)))
            && told.Type.StartsWith(Type, StringComparison.Ordinal)
            && (told.Type.Length == Type.Length || Type.Length == 0 || Type[^1] == '.' || told.Type[Type.Length] == '.');
    }
}
