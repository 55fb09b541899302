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
            End = end, Reason = fields.OptionalText("reason"), FileBytes = fields.Number("file_bytes"),
            Standing = TimeSpan.FromMicroseconds(Math.Max(0, fields.Number("standing_us"))), GoesOnFor = TimeSpan.FromMicroseconds(Math.Max(0, fields.Number("begun_us"))),
            SavedTimes = fields.Number("saved_times"), SavedBytes = fields.Number("saved_bytes"),
        };
    }

    public static VisitPiece? Piece(ref MessagePackReader reader) => Fields.Read(ref reader) is { } fields ? new VisitPiece(fields.Bytes("data")) : null;

    public static Boxed<int>? Taken(ref MessagePackReader reader) => Fields.Read(ref reader) is null ? null : new(0);

    private static VisitEnd? End(Fields? fields) =>
        fields is null || !WireNames.TryParse<TaskState>(fields.Text("state"), out var state) ? null : new VisitEnd(state, ResponseDecoders.Cause(fields.Map("cause")))
        {
            PeakMemoryBytes = (ulong)fields.Number("peak_memory_bytes"), CpuMicroseconds = (ulong)fields.Number("cpu_us"),
        };
}
