using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Core.Ports;

/// <content>How it gives its place back while it runs.</content>
public sealed partial record TaskTerms
{
    /// <summary>Commands are never written down, but may save a state in a file.</summary>
    public TaskMigration Migration { get; init; }
}
