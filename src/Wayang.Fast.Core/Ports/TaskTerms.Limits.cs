using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Core.Ports;

/// <content>What it may use.</content>
public sealed partial record TaskTerms
{
    /// <summary>Null: none asked for.</summary>
    public TaskLimits? Limits { get; init; }
}
