using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>Writes what replies say of artifacts.</summary>
internal static class ArtifactReplies
{
    private const int DefaultPieceBytes = 1 << 20;

    /// <summary>Keys that <see cref="Write"/> writes.</summary>
    public static int Count(TaskArtifacts? artifacts) =>
        artifacts is null ? 0 : 3 + (artifacts.Problem is null ? 0 : 1);

    public static void Write(ref MessagePackWriter writer, TaskArtifacts? artifacts)
    {
        if (artifacts is null)
        {
            return;
        }

        writer.WriteString("artifacts"u8);
        writer.WriteArrayHeader(artifacts.Files.Count);
        foreach (var file in artifacts.Files)
        {
            writer.WriteMapHeader(3);
            writer.WriteString("name"u8);
            writer.WriteString(file.Name);
            ReplyEncoder.Number(ref writer, "bytes"u8, file.Content.Length);
            writer.WriteString("sha256"u8);
            writer.WriteString(file.Sha256);
        }

        ReplyEncoder.Number(ref writer, "artifacts_left_out"u8, artifacts.LeftOut);
        ReplyEncoder.Number(ref writer, "artifacts_left_out_bytes"u8, artifacts.LeftOutBytes);
        if (artifacts.Problem is { } problem)
        {
            writer.WriteString("artifacts_problem"u8);
            writer.WriteString(problem);
        }
    }

    /// <summary>The answer of <c>task.artifact</c>.</summary>
    public static OperationError? WritePiece(
        ref MessagePackWriter writer, ITaskService tasks, int tenant, ReadOnlySpan<byte> frame, ReadOnlySpan<ParameterSlot> slots)
    {
        var refusal = tasks.ReadArtifact(TaskRequest.IdOf(frame, slots), tenant, Encoding.UTF8.GetString(slots[1].Of(frame)), out var artifact);
        if (refusal is not null || artifact is null)
        {
            return refusal ?? new(ErrorCode.Internal, "The artifact was neither found nor refused.");
        }

        var offset = (int)Math.Min(slots[2].Number, artifact.Content.Length);
        var length = Math.Min(slots[3].Present ? (int)slots[3].Number : DefaultPieceBytes, artifact.Content.Length - offset);
        writer.WriteMapHeader(4);
        writer.WriteString("data"u8);
        writer.WriteBinary(artifact.Content.Span.Slice(offset, length));
        ReplyEncoder.Number(ref writer, "offset"u8, offset);
        ReplyEncoder.Number(ref writer, "bytes"u8, artifact.Content.Length);
        writer.WriteString("sha256"u8);
        writer.WriteString(artifact.Sha256);
        return null;
    }
}
