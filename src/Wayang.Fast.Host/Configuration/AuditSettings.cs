using Wayang.Fast.Gateway.Audit;

namespace Wayang.Fast.Host.Configuration;

/// <summary>The section <c>audit</c>: what operators did and were refused.</summary>
public sealed record AuditSettings
{
    private static readonly AuditOptions s_defaults = new(string.Empty);

    public bool Enabled { get; init; } = true;

    public long FileBytes { get; init; } = s_defaults.FileBytes;

    public int Files { get; init; } = s_defaults.Files;

    /// <summary>Null: there is no audit log.</summary>
    public AuditOptions? In(string stateDirectory) =>
        Enabled && stateDirectory.Length > 0 ? new AuditOptions(stateDirectory) { FileBytes = FileBytes, Files = Files } : null;
}
