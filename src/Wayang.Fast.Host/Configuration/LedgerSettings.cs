namespace Wayang.Fast.Host.Configuration;

/// <summary>What the configuration says of the ledger.</summary>
public sealed record LedgerSettings
{
    public bool Enabled { get; init; } = true;

    /// <summary>Null: in the state directory.</summary>
    public string? Path { get; init; }

    public int RetainHours { get; init; } = 168;

    public int RetainTasks { get; init; } = 100_000;

    public int RetainEventHours { get; init; } = 168;

    public int RetainEvents { get; init; } = 1_000_000;

    /// <summary>Where the file is; null: there is no ledger.</summary>
    public string? FileIn(string stateDirectory) =>
        !Enabled ? null : Path ?? (stateDirectory.Length == 0 ? null : System.IO.Path.Combine(stateDirectory, "ledger.db"));
}
