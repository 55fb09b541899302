using System.Buffers;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Client;

/// <summary>Reads what a node says of another one's call that goes on there.</summary>
internal static class HandoverDecoders
{
    private static readonly List<string> s_lengths = ["output_bytes", "stdout_bytes", "stderr_bytes", "log_bytes"];

    public static VisitNews? News(ref MessagePackReader reader)
    {
        if (Fields.Read(ref reader) is not { } fields || !WireNames.TryParse<VisitState>(fields.Text("state"), out var state))
        {
            return null;
        }

        // What has ended has an end, and nothing else is one: a call's record follows it.
        var end = End(fields.Map("end"));
        return state == VisitState.Ended && end is not { State: >= TaskState.Succeeded } ? null : new VisitNews(fields.Number("number"), state, [.. s_lengths.Select(fields.Number)], fields.Bytes("progress"))
        {
            End = end, Reason = fields.OptionalText("reason"), FileBytes = fields.Number("file_bytes"), Key = fields.Bytes("key"),
            Standing = TimeSpan.FromMicroseconds(Math.Max(0, fields.Number("standing_us"))), GoesOnFor = TimeSpan.FromMicroseconds(Math.Max(0, fields.Number("begun_us"))),
        };
    }

    /// <summary>Its data lies in pooled memory: there are many, and they are large.</summary>
    public static VisitPiece? Piece(ref MessagePackReader reader)
    {
        if (!reader.TryReadMapHeader(out var pairs))
        {
            return null;
        }

        byte[]? pooled = null;
        var (count, key, grows) = (0, Array.Empty<byte>(), false);
        for (var i = 0; i < pairs; i++)
        {
            if (!reader.TryReadStringOrBinary(out var name))
            {
                return null;
            }

            if (pooled is null && name.SequenceEqual("data"u8) && reader.TryReadBinary(out var data))
            {
                (pooled, count) = (ArrayPool<byte>.Shared.Rent(data.Length), data.Length);
                data.CopyTo(pooled);
            }
            else if (name.SequenceEqual("key"u8) && reader.TryReadBinary(out var secret))
            {
                key = secret.ToArray();
            }
            else if (!(name.SequenceEqual("grows"u8) && reader.TryReadBoolean(out grows)) && !reader.TrySkip())
            {
                return null;
            }
        }

        return new VisitPiece(pooled.AsMemory(0, count), key, grows) { Pooled = pooled };
    }

    public static Boxed<int>? Taken(ref MessagePackReader reader) => Fields.Read(ref reader) is null ? null : new(0);

    private static VisitEnd? End(Fields? fields) =>
        fields is null || !WireNames.TryParse<TaskState>(fields.Text("state"), out var state) ? null : new VisitEnd(state, ResponseDecoders.Cause(fields.Map("cause")))
        {
            PeakMemoryBytes = (ulong)fields.Number("peak_memory_bytes"), CpuMicroseconds = (ulong)fields.Number("cpu_us"),
        };
}
