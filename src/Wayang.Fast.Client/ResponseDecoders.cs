using System.Globalization;
using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Client;

/// <summary>Reads response maps. Unknown keys are stepped over: a newer node may say more.</summary>
internal static class ResponseDecoders
{
    public static OperationError Error(ref MessagePackReader reader)
    {
        var fields = Fields.Read(ref reader);
        _ = WireNames.TryParse<ErrorCode>(fields?.Text("code") ?? "", out var code);
        return new(
            code == ErrorCode.None ? ErrorCode.Internal : code,
            fields?.Text("message") ?? "The node answered with an error that is not understood.",
            fields?.OptionalText("field"),
            fields?.Has("retry_after_ms") == true ? (int)fields.Number("retry_after_ms") : null);
    }

    public static Boxed<TaskId>? Id(ref MessagePackReader reader) =>
        Fields.Read(ref reader) is { } fields && TaskId.TryParse(fields.Text("task"), out var id) ? new(id) : null;

    public static string? Session(ref MessagePackReader reader) => Fields.Read(ref reader)?.OptionalText("identity");

    public static TaskResult? Result(ref MessagePackReader reader)
    {
        if (Fields.Read(ref reader) is not { } fields || !TaskId.TryParse(fields.Text("task"), out var id)
            || !WireNames.TryParse<TaskState>(fields.Text("state"), out var state))
        {
            return null;
        }

        return new(
            id, state, Cause(fields.Map("cause")), fields.Bytes("output"), fields.Bytes("stdout"), fields.Bytes("stderr"),
            fields.Number("stdout_dropped"), fields.Number("stderr_dropped"), fields.Number("queue_us"), fields.Number("start_us"),
            fields.Number("run_us"), (ulong)fields.Number("peak_memory_bytes"), (ulong)fields.Number("cpu_us"))
        {
            Life = LifeDecoders.Facts(fields),
            Cached = fields.Has("cached"),
            Log = fields.Bytes("log"),
            LogDropped = fields.Number("log_dropped"),
            Artifacts = FileEncoders.Artifacts(fields),
        };
    }

    public static IReadOnlyList<SubmitOutcome>? Outcomes(ref MessagePackReader reader)
    {
        if (!reader.TryReadMapHeader(out var pairs) || pairs != 1 || !reader.TryReadString(out _) || !reader.TryReadArrayHeader(out var count))
        {
            return null;
        }

        var outcomes = new SubmitOutcome[count];
        for (var i = 0; i < count; i++)
        {
            if (!reader.TryReadMapHeader(out pairs) || pairs != 1 || !reader.TryReadString(out var key))
            {
                return null;
            }

            if (key.SequenceEqual("error"u8))
            {
                outcomes[i] = new(default, Error(ref reader));
            }
            else if (reader.TryReadString(out var text) && TaskId.TryParse(text, out var id))
            {
                outcomes[i] = new(id, null);
            }
            else
            {
                return null;
            }
        }

        return outcomes;
    }

    public static TaskInfo? Info(ref MessagePackReader reader)
    {
        if (Fields.Read(ref reader) is not { } fields || !TaskId.TryParse(fields.Text("task"), out var id))
        {
            return null;
        }

        _ = WireNames.TryParse<TaskKind>(fields.Text("kind"), out var kind);
        _ = WireNames.TryParse<TaskState>(fields.Text("state"), out var state);
        _ = WireNames.TryParse<TaskClass>(fields.Text("class"), out var taskClass);
        return new(
            id, kind, state, Cause(fields.Map("cause")), taskClass, (int)fields.Number("priority"), fields.Text("image"),
            fields.Text("function"), Time(fields.Text("submitted")) ?? default, Time(fields.Text("ended")), fields.Number("queue_us"),
            fields.Number("start_us"), fields.Number("run_us"), (ulong)fields.Number("peak_memory_bytes"), (ulong)fields.Number("cpu_us"),
            fields.Number("output_bytes"), fields.Number("stdout_bytes"), fields.Number("stderr_bytes"))
        {
            LogBytes = fields.Number("log_bytes"),
            Limits = fields.Map("limits") is { } limits ? TaskLimits.Of(limits.Numbers()) : null,
            DiskPlace = fields.Map("limits")?.Text("disk_place") ?? string.Empty,
            LimitsNotEnforced = fields.Map("limits")?.Texts("not_enforced") ?? [],
            Artifacts = FileEncoders.Artifacts(fields),
            Progress = fields.Map("progress") is { } progress
                ? new TaskProgress(progress.Has("percent") ? (int)progress.Number("percent") : null, progress.Text("text"))
                : null,
            Life = LifeDecoders.Facts(fields),
            Grants = fields.Texts("grants"),
        };
    }

    public static OutputPiece? Piece(ref MessagePackReader reader) =>
        Fields.Read(ref reader) is { } fields
            ? new(fields.Bytes("data"), fields.Number("offset"), fields.Number("total_bytes"), fields.Number("dropped_bytes"), fields.Flag("ended"))
            : null;

    public static ImageInfo? Image(ref MessagePackReader reader) =>
        Fields.Read(ref reader) is { } fields
            ? new(fields.Text("image"), fields.OptionalText("name"), fields.Text("kind"), fields.Number("bytes"), fields.Texts("functions"), fields.Text("state")) { Profile = fields.OptionalText("profile") }
            : null;

    public static IReadOnlyList<ImageInfo>? Images(ref MessagePackReader reader)
    {
        if (!reader.TryReadMapHeader(out var pairs) || pairs != 1 || !reader.TryReadString(out _) || !reader.TryReadArrayHeader(out var count))
        {
            return null;
        }

        var images = new List<ImageInfo>(count);
        for (var i = 0; i < count; i++)
        {
            if (Image(ref reader) is not { } image)
            {
                return null;
            }

            images.Add(image);
        }

        return images;
    }

    public static NodeInfo? Node(ref MessagePackReader reader) =>
        Fields.Read(ref reader) is { } fields
            ? new(fields.Text("node"), fields.Text("version"), Time(fields.Text("started")) ?? default, fields.Flag("root"),
                fields.Text("cgroup_mode"), fields.Texts("features"), fields.Text("note"), fields.Map("limits")?.Numbers() ?? [])
            {
                Profiles = [.. (fields.Map("profiles")?.Maps() ?? []).Select(static p => new ProfileInfo(
                    p.Name, p.Fields.Flag("files"), p.Fields.Flag("own_root"), p.Fields.Texts("kinds"))
                {
                    Network = p.Fields.OptionalText("network") ?? "none",
                    Destinations = p.Fields.Texts("destinations"),
                    Inherits = p.Fields.OptionalText("inherits") ?? string.Empty,
                })],
            }
            : null;

    public static IReadOnlyDictionary<string, long>? Statistics(ref MessagePackReader reader) => Fields.Read(ref reader)?.Map("values")?.Numbers();

    public static TaskCause Cause(Fields? fields)
    {
        if (fields is null || !WireNames.TryParse<CauseType>(fields.Text("type"), out var type))
        {
            return default;
        }

        var value = type switch
        {
            CauseType.Exit => fields.Number("code"),
            CauseType.Signal => fields.Number("signal"),
            CauseType.SandboxViolation => fields.Number("syscall"),
            _ => 0,
        };
        return new(type, (int)value, fields.OptionalText(type == CauseType.SandboxViolation ? "what" : "detail"), fields.OptionalText("traceback"));
    }

    public static DateTimeOffset? Time(string text) =>
        DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : null;
}

/// <summary>A value type as an answer.</summary>
internal sealed record Boxed<T>(T Value)
    where T : struct;

/// <summary>A response map, copied out of the receive buffer.</summary>
internal sealed class Fields
{
    private readonly Dictionary<string, object> _values = new(StringComparer.Ordinal);

    public static Fields? Read(ref MessagePackReader reader)
    {
        if (!reader.TryReadMapHeader(out var pairs))
        {
            return null;
        }

        var fields = new Fields();
        for (var i = 0; i < pairs; i++)
        {
            if (!reader.TryReadStringOrBinary(out var key))
            {
                return null;
            }

            var name = Encoding.UTF8.GetString(key);
            if (ReadValue(ref reader, out var value) && value is not null)
            {
                fields._values[name] = value;
            }
            else if (value is null && !reader.TrySkip())
            {
                return null;
            }
        }

        return fields;
    }

    public bool Has(string name) => _values.ContainsKey(name);

    public string Text(string name) => OptionalText(name) ?? "";

    public string? OptionalText(string name) => _values.GetValueOrDefault(name) as string;

    public long Number(string name) => _values.GetValueOrDefault(name) is long number ? number : 0;

    public bool Flag(string name) => _values.GetValueOrDefault(name) is true;

    public ReadOnlyMemory<byte> Bytes(string name) => _values.GetValueOrDefault(name) as byte[] ?? [];

    public Fields? Map(string name) => _values.GetValueOrDefault(name) as Fields;

    public IReadOnlyList<string> Texts(string name) => _values.GetValueOrDefault(name) as List<string> ?? [];

    public IReadOnlyList<Fields> Items(string name) => _values.GetValueOrDefault(name) as List<Fields> ?? [];

    public Dictionary<string, long> Numbers() =>
        _values.Where(static pair => pair.Value is long).ToDictionary(static pair => pair.Key, static pair => (long)pair.Value, StringComparer.Ordinal);

    public IEnumerable<(string Name, Fields Fields)> Maps() =>
        _values.Where(static pair => pair.Value is Fields).Select(static pair => (pair.Key, (Fields)pair.Value));

    /// <summary>Null with false for what no response of ours holds: the caller steps over it.</summary>
    private static bool ReadValue(ref MessagePackReader reader, out object? value)
    {
        value = null;
        switch (reader.PeekType())
        {
            case MessagePackType.String when reader.TryReadString(out var text):
                value = Encoding.UTF8.GetString(text);
                break;
            case MessagePackType.Binary when reader.TryReadBinary(out var bytes):
                value = bytes.ToArray();
                break;
            case MessagePackType.Boolean when reader.TryReadBoolean(out var flag):
                value = flag;
                break;
            case MessagePackType.Unsigned or MessagePackType.Signed when reader.TryReadInt64(out var number):
                value = number;
                break;
            case MessagePackType.Map:
                value = Read(ref reader);
                break;
            case MessagePackType.Array:
                value = (object?)ReadTexts(ref reader) ?? ReadItems(ref reader);
                break;
            default:
                break;
        }

        return value is not null;
    }

    private static List<Fields>? ReadItems(ref MessagePackReader reader)
    {
        var ahead = reader;
        if (!ahead.TryReadArrayHeader(out var count))
        {
            return null;
        }

        var items = new List<Fields>();
        for (var i = 0; i < count; i++)
        {
            if (Read(ref ahead) is not { } item)
            {
                return null;
            }

            items.Add(item);
        }

        reader = ahead;
        return items;
    }

    private static List<string>? ReadTexts(ref MessagePackReader reader)
    {
        var ahead = reader;
        if (!ahead.TryReadArrayHeader(out var count))
        {
            return null;
        }

        var texts = new List<string>(count);
        for (var i = 0; i < count; i++)
        {
            if (!ahead.TryReadString(out var text))
            {
                return null;
            }

            texts.Add(Encoding.UTF8.GetString(text));
        }

        reader = ahead;
        return texts;
    }
}
