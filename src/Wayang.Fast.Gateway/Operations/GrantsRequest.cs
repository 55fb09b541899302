using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>Reads <c>grants: {connect: [HOST:PORT, ...]}</c>; what a profile lets be granted is for the node to say.</summary>
internal static class GrantsRequest
{
    private const int Connect = 0;
    private const int MaxText = 300;

    public static OperationError? Bind(ReadOnlySpan<byte> value, TaskTerms before, out TaskTerms after)
    {
        var refusal = Read(value, out var grants);
        after = before with { Grants = grants };
        return refusal;
    }

    /// <summary>Null grants: it asks for none.</summary>
    public static OperationError? Read(ReadOnlySpan<byte> value, out TaskGrants? grants)
    {
        grants = null;
        var field = OperationTable.TaskFields[TaskField.Grants];
        Span<ParameterSlot> slots = stackalloc ParameterSlot[1];
        slots.Clear();
        if (ParameterReader.ReadMap(field, value, slots) is { } refusal)
        {
            return refusal;
        }

        if (!slots[Connect].Present)
        {
            return null;
        }

        var texts = new List<string>();
        var reader = new MessagePackReader(slots[Connect].Of(value));
        reader.TryReadArrayHeader(out var count);
        for (var i = 0; i < count; i++)
        {
            if (!reader.TryReadStringOrBinary(out var text) || text.Length > MaxText)
            {
                return new OperationError(ErrorCode.InvalidArgument, "'grants.connect' holds something that is no HOST:PORT", "grants.connect");
            }

            texts.Add(Encoding.UTF8.GetString(text));
        }

        grants = TaskGrants.TryMake(texts, out var why);
        return grants is null ? new OperationError(ErrorCode.InvalidArgument, why, "grants.connect") : null;
    }
}
