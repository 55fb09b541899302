using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Core.Ports;

/// <content>How it gives its place back while it runs.</content>
public sealed partial record TaskTerms
{
    /// <summary>Of calls; commands are never written down.</summary>
    public TaskMigration Migration { get; init; }
}
