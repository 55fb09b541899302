using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Execution.Durable;

/// <summary>All that it takes to run a task again: names are those that any start of the node resolves.</summary>
internal sealed record DurableSpec(TaskKind Kind)
{
    /// <summary>Hash of a call's image; empty for commands.</summary>
    public required string Image { get; init; }

    public required string Function { get; init; }

    public required string Profile { get; init; }

    public WorkerReuse Reuse { get; init; }

    public byte Level { get; init; }

    public uint TimeoutMs { get; init; }

    public CommandLine? Command { get; init; }

    public ReadOnlyMemory<byte> Data { get; init; }

    /// <summary>Without its idempotency key, which the ledger keeps apart.</summary>
    public required TaskTerms Terms { get; init; }
}
