using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Client;

/// <summary>Writes the terms that are about files, and reads what answers say of them.</summary>
internal static class FileEncoders
{
    public static int Count(TaskSpec spec) =>
        (spec.Inputs.Count > 0 ? 1 : 0) + (spec.Secrets is { Count: > 0 } ? 1 : 0) + (spec.Artifacts is not null ? 1 : 0);

    public static void Write(ref MessagePackWriter writer, TaskSpec spec)
    {
        if (spec.Inputs.Count > 0)
        {
            writer.WriteString("inputs"u8);
            writer.WriteArrayHeader(spec.Inputs.Count);
            foreach (var input in spec.Inputs)
            {
                writer.WriteMapHeader(input.Mode is null ? 2 : 3);
                writer.WriteString("path"u8);
                writer.WriteString(input.Path);
                writer.WriteString("data"u8);
                writer.WriteBinary(input.Data.Span);
                RequestEncoders.OptionalNumber(ref writer, "mode"u8, input.Mode);
            }
        }

        if (spec.Secrets is { Count: > 0 } secrets)
        {
            writer.WriteString("secrets"u8);
            writer.WriteMapHeader(secrets.Count);
            foreach (var (name, value) in secrets)
            {
                writer.WriteString(name);
                writer.WriteBinary(value.Span);
            }
        }

        if (spec.Artifacts is { } limits)
        {
            writer.WriteString("artifacts"u8);
            writer.WriteMapHeader((limits.MaxFiles is null ? 0 : 1) + (limits.MaxBytes is null ? 0 : 1));
            RequestEncoders.OptionalNumber(ref writer, "max_files"u8, limits.MaxFiles);
            RequestEncoders.OptionalNumber(ref writer, "max_bytes"u8, limits.MaxBytes);
        }
    }

    public static void Artifact(ref MessagePackWriter writer, TaskId id, string name, long offset, int maxBytes)
    {
        writer.WriteMapHeader(4);
        RequestEncoders.Id(ref writer, id);
        writer.WriteString("name"u8);
        writer.WriteString(name);
        RequestEncoders.OptionalNumber(ref writer, "offset"u8, offset);
        RequestEncoders.OptionalNumber(ref writer, "max_bytes"u8, maxBytes);
    }

    public static ArtifactList? Artifacts(Fields fields) => fields.Has("artifacts")
        ? new ArtifactList(
            [.. fields.Items("artifacts").Select(static file => new ArtifactInfo(file.Text("name"), file.Number("bytes"), file.Text("sha256")))],
            fields.Number("artifacts_left_out"),
            fields.Number("artifacts_left_out_bytes"),
            fields.OptionalText("artifacts_problem"))
        : null;

    public static ArtifactPiece? ArtifactPiece(ref MessagePackReader reader) =>
        Fields.Read(ref reader) is { } fields
            ? new(fields.Bytes("data"), fields.Number("offset"), fields.Number("bytes"), fields.Text("sha256"))
            : null;
}
