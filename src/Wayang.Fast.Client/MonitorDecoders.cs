using System.Globalization;
using System.Text;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Client;

/// <summary>Reads the lists that operators ask for: a map of one key, whose value is a list of maps.</summary>
internal static class MonitorDecoders
{
    public static TaskInfoPage? Tasks(ref MessagePackReader reader)
    {
        string? next = null;
        if (!reader.TryReadMapHeader(out var pairs) || Items(ref reader, ResponseDecoders.Info) is not { } tasks)
        {
            return null;
        }

        for (; pairs > 1; pairs--)
        {
            if (!reader.TryReadString(out var key))
            {
                return null;
            }

            if (key.SequenceEqual("next"u8) && reader.TryReadString(out var place))
            {
                next = Encoding.UTF8.GetString(place);
            }
            else if (!reader.TrySkip())
            {
                return null;
            }
        }

        return new TaskInfoPage(tasks, next);
    }

    public static IReadOnlyList<WorkerInfo>? Workers(ref MessagePackReader reader) => List(ref reader, static (ref item) =>
        Fields.Read(ref item) is { } fields
            ? new WorkerInfo(
                fields.Number("worker"), (int)fields.Number("pid"), fields.Text("image"), fields.Text("profile"), Reuse(fields), fields.Text("state"),
                (int)fields.Number("in_flight"), fields.Number("calls"), Milliseconds(fields, "age_ms"), Milliseconds(fields, "idle_ms"))
            {
                MemoryBytes = fields.Number("memory_bytes"),
                CpuMicroseconds = fields.Number("cpu_us"),
            }
            : null);

    public static IReadOnlyList<PoolInfo>? Pools(ref MessagePackReader reader) => List(ref reader, static (ref item) =>
        Fields.Read(ref item) is { } fields
            ? new PoolInfo(
                fields.Text("image"), fields.Text("kind"), fields.Text("profile"), Reuse(fields), fields.Text("state"), (int)fields.Number("queued"),
                (int)fields.Number("free_slots"), (int)fields.Number("workers"), (int)fields.Number("busy"), (int)fields.Number("starting"),
                (int)fields.Number("max_workers"))
            {
                Wanted = (int)fields.Number("wanted"),
                Idle = (int)fields.Number("idle"),
                Recycled = fields.Number("recycled"),
                Warmed = fields.Number("warmed"),
                WarmedUsed = fields.Number("warmed_used"),
                WarmedUnused = fields.Number("warmed_unused"),
            }
            : null);

    public static IReadOnlyList<TenantInfo>? Tenants(ref MessagePackReader reader) => List(ref reader, static (ref item) =>
        Fields.Read(ref item) is { } fields && WireNames.TryParse<TaskClass>(fields.Text("highest_class"), out var highest)
            ? new TenantInfo(
                fields.Text("name"), (int)fields.Number("id"), (int)fields.Number("weight"), (int)fields.Number("max_running"), (int)fields.Number("max_queued"),
                fields.Number("max_queued_bytes"), highest, (int)fields.Number("running"), (int)fields.Number("queued"), fields.Number("finished"),
                fields.Number("slot_us"), fields.Number("refused"))
            : null);

    public static IReadOnlyList<IncidentInfo>? Incidents(ref MessagePackReader reader) => List(ref reader, static (ref item) =>
        Fields.Read(ref item) is { } fields
            && DateTimeOffset.TryParse(fields.Text("at"), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at)
            ? new IncidentInfo(
                fields.Text("kind"), at, fields.Text("pool"), fields.Text("reason"), TimeSpan.FromMicroseconds(fields.Number("duration_us")))
            : null);

    public static ScanInfo? Scan(ref MessagePackReader reader)
    {
        if (!reader.TryReadMapHeader(out var pairs) || pairs != 4)
        {
            return null;
        }

        Span<int> numbers = stackalloc int[3];
        for (var i = 0; i < numbers.Length; i++)
        {
            if (!reader.TryReadString(out _) || !reader.TryReadInt64(out var number))
            {
                return null;
            }

            numbers[i] = (int)number;
        }

        return Items(ref reader, static (ref item) => Fields.Read(ref item) is { } fields
            ? new FindingInfo(fields.Text("severity"), fields.Text("where"), fields.Text("what"), fields.Text("remedy"))
            : null) is { } findings
            ? new ScanInfo(numbers[0], numbers[1], numbers[2], findings)
            : null;
    }

    public static PeerList? Peers(ref MessagePackReader reader) =>
        reader.TryReadMapHeader(out var pairs) && pairs == 2 && reader.TryReadString(out _) && reader.TryReadString(out var node)
            && System.Text.Encoding.UTF8.GetString(node) is var name && Items(ref reader, Peer) is { } peers
            ? new PeerList(name, peers)
            : null;

    public static DrainProgress? Drain(ref MessagePackReader reader) =>
        Fields.Read(ref reader) is { } fields && WireNames.TryParse<DrainState>(fields.Text("state"), out var state)
            ? new DrainProgress(
                state, Time(fields, "since"), (int)fields.Number("moved"), (int)fields.Number("given_back"), (int)fields.Number("running"), (int)fields.Number("queued"),
                (int)fields.Number("away"), [.. fields.Items("staying").Select(Staying)])
            : null;

    private static StayingTask Staying(Fields fields)
    {
        _ = TaskId.TryParse(fields.Text("task"), out var id);
        _ = WireNames.TryParse<TaskState>(fields.Text("state"), out var state);
        return new StayingTask(id, state, fields.Text("reason"));
    }

    public static NodeLoad Load(Fields fields) => new(fields.Number("running"), fields.Number("queued"), fields.Number("slots"));

    private static PeerInfo? Peer(ref MessagePackReader item) =>
        Fields.Read(ref item) is { } fields && WireNames.TryParse<PeerState>(fields.Text("state"), out var state) && Time(fields, "since") is { } since
            ? new PeerInfo(
                fields.Text("name"), fields.Text("address"), state, since, fields.OptionalText("reason") ?? string.Empty, Time(fields, "heard"),
                fields.OptionalText("version") ?? string.Empty, TimeSpan.FromMicroseconds(fields.Number("round_trip_us")), Load(fields))
            : null;

    private static DateTimeOffset? Time(Fields fields, string name) =>
        fields.OptionalText(name) is { } text && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) ? at : null;

    public static TaskReason? Reason(ref MessagePackReader reader) =>
        Fields.Read(ref reader) is { } fields
            && TaskId.TryParse(fields.Text("task"), out var id)
            && WireNames.TryParse<TaskState>(fields.Text("state"), out var state)
            ? new TaskReason(id, state, fields.Text("text"))
            : null;

    private delegate T? ItemDecoder<T>(ref MessagePackReader reader)
        where T : class;

    private static List<T>? List<T>(ref MessagePackReader reader, ItemDecoder<T> decode)
        where T : class
    {
        return reader.TryReadMapHeader(out var pairs) && pairs == 1 ? Items(ref reader, decode) : null;
    }

    /// <summary>A key and its list.</summary>
    private static List<T>? Items<T>(ref MessagePackReader reader, ItemDecoder<T> decode)
        where T : class
    {
        if (!reader.TryReadString(out _) || !reader.TryReadArrayHeader(out var count))
        {
            return null;
        }

        var items = new List<T>(count);
        for (var i = 0; i < count; i++)
        {
            if (decode(ref reader) is not { } item)
            {
                return null;
            }

            items.Add(item);
        }

        return items;
    }

    private static WorkerReuse Reuse(Fields fields)
    {
        _ = WireNames.TryParse<WorkerReuse>(fields.Text("reuse"), out var reuse);
        return reuse;
    }

    private static TimeSpan Milliseconds(Fields fields, string name) => TimeSpan.FromMilliseconds(fields.Number(name));
}
