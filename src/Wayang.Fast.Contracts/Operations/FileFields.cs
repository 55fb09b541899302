namespace Wayang.Fast.Contracts.Operations;

/// <summary>The fields of a task that are about files.</summary>
public static class FileFields
{
    /// <summary>The most inputs and secrets of a task together.</summary>
    public const int MaxFiles = 1024;

    public const int DefaultArtifactFiles = 256;

    public static RequestField Inputs { get; } = new(
        "inputs", FieldType.MapList, "Files put into the working directory before the command begins: {path, data, mode?} each (exec).")
    {
        Max = MaxFiles,
        Map = new RequestMap("inputs",
        [
            new("path", FieldType.Text, "Relative, inside the working directory.") { Required = true, Min = 1, Max = 255 },
            new("data", FieldType.Bytes, "The file's content.") { Max = OperationTable.MaxPayloadBytes },
            new("mode", FieldType.Integer, "Permissions; default 420 (0644).") { Max = 511 },
        ]),
    };

    public static RequestField Secrets { get; } = new(
        "secrets", FieldType.BytesMap, "Name to bytes: the command reads them at /run/secrets/NAME; they stand nowhere else (exec).")
    {
        Max = 64,
    };

    public static RequestField Artifacts { get; } = new(
        "artifacts", FieldType.Map, "Collect what the command leaves in out/ of its working directory: {max_files?, max_bytes?} (exec).")
    {
        Map = new RequestMap("artifacts",
        [
            new("max_files", FieldType.Integer, "At most so many; default 256.") { Min = 1, Max = 4096 },
            new("max_bytes", FieldType.Integer, "At most so many in all; default: the bound of a payload.") { Min = 1, Max = OperationTable.MaxPayloadBytes },
        ]),
    };

    /// <summary>What an ended task's answer says of its artifacts.</summary>
    public static IReadOnlyList<ResponseField> Collected { get; } =
    [
        new("artifacts", "list of map", "{name, bytes, sha256}: files that the command left in out/; where they were asked for.", Optional: true),
        new("artifacts_left_out", "integer", "Entries of out/ over the bounds, or that are no regular files.", Optional: true),
        new("artifacts_left_out_bytes", "integer", "Bytes of these, as far as they are known.", Optional: true),
        new("artifacts_problem", "text", "Why some may be missing.", Optional: true),
    ];
}
