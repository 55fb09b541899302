using System.Text;
using System.Text.Unicode;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>Reads the terms that are about files.</summary>
internal static class FilesRequest
{
    private const int DefaultMode = 0x1A4; // 0644
    private const int MaxSecretBytes = 1 << 20;

    public static OperationError? Inputs(ReadOnlySpan<byte> value, TaskTerms before, out TaskTerms? after)
    {
        after = before;
        var map = FileFields.Inputs.Map!;
        var reader = new MessagePackReader(value);
        reader.TryReadArrayHeader(out var count);
        var inputs = new InputFile[count];
        Span<ParameterSlot> slots = stackalloc ParameterSlot[map.Request.Count];
        for (var i = 0; i < count; i++)
        {
            slots.Clear();
            if (ParameterReader.Read(map, ref reader, slots) is { } refusal)
            {
                return new(refusal.Code, $"inputs[{i}]: {refusal.Message}", "inputs");
            }

            inputs[i] = new InputFile(
                Encoding.UTF8.GetString(slots[0].Of(value)), slots[2].Present ? (int)slots[2].Number : DefaultMode, new FileContent(slots[1].Of(value)));
        }

        after = before with { Inputs = inputs };
        return null;
    }

    public static OperationError? Secrets(ReadOnlySpan<byte> value, TaskTerms before, out TaskTerms? after)
    {
        after = before;
        var reader = new MessagePackReader(value);
        reader.TryReadMapHeader(out var count);
        var secrets = new TaskSecret[count];
        for (var i = 0; i < count; i++)
        {
            if (!reader.TryReadStringOrBinary(out var name) || !Utf8.IsValid(name) || !reader.TryReadStringOrBinary(out var bytes) || bytes.Length > MaxSecretBytes)
            {
                // The value is not quoted, whatever it is.
                return ParameterReader.Refuse(FileFields.Secrets, $"has an item that is no text with at most {MaxSecretBytes} bytes");
            }

            // Pinned: the collector leaves no copy behind when it moves things.
            var copy = GC.AllocateUninitializedArray<byte>(bytes.Length, pinned: true);
            bytes.CopyTo(copy);
            secrets[i] = new TaskSecret(Encoding.UTF8.GetString(name), copy);
        }

        after = before with { Secrets = secrets };
        return null;
    }

    public static OperationError? Artifacts(ReadOnlySpan<byte> value, TaskTerms before, out TaskTerms? after)
    {
        after = before;
        Span<ParameterSlot> slots = stackalloc ParameterSlot[2];
        if (ParameterReader.ReadMap(FileFields.Artifacts, value, slots) is { } refusal)
        {
            return refusal;
        }

        after = before with
        {
            Artifacts = new ArtifactBounds(
                slots[0].Present ? (int)slots[0].Number : FileFields.DefaultArtifactFiles,
                slots[1].Present ? slots[1].Number : OperationTable.MaxPayloadBytes),
        };
        return null;
    }
}
