using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>Reads a task's <c>limits</c>.</summary>
internal static class LimitsRequest
{
    public static OperationError? Bind(ReadOnlySpan<byte> value, TaskTerms before, out TaskTerms after)
    {
        after = before;
        Span<ParameterSlot> slots = stackalloc ParameterSlot[LimitFields.Count];
        slots.Clear();
        if (ParameterReader.ReadMap(LimitFields.Field, value, slots) is { } refusal)
        {
            return refusal;
        }

        var limits = new TaskLimits
        {
            MemoryBytes = slots[LimitFields.MemoryBytes].Number,
            ReservedBytes = slots[LimitFields.ReservedBytes].Number,
            CpuMilli = (int)slots[LimitFields.CpuMilli].Number,
            CpuWeight = (int)slots[LimitFields.CpuWeight].Number,
            Pids = (int)slots[LimitFields.Pids].Number,
            DiskBytes = slots[LimitFields.DiskBytes].Number,
            Io = new IoRates(
                slots[LimitFields.IoReadBytes].Number,
                slots[LimitFields.IoWriteBytes].Number,
                (int)slots[LimitFields.IoReadOps].Number,
                (int)slots[LimitFields.IoWriteOps].Number),
        };
        after = limits == Nothing ? before : before with { Limits = limits };
        return null;
    }

    private static readonly TaskLimits Nothing = new();
}
