using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Host.Cli;

/// <summary>The JSON of <c>--json</c>: one object a command, keys as on the wire.</summary>
internal static class JsonText
{
    // What is printed is read by programs and people, not put into HTML: letters stay letters.
    private static readonly JsonWriterOptions Options = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public static void Print(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, Options))
        {
            writer.WriteStartObject();
            write(writer);
            writer.WriteEndObject();
        }

        Console.Out.WriteLine(Encoding.UTF8.GetString(buffer.WrittenSpan));
    }

    /// <summary>One object on one line, for who reads lines.</summary>
    public static string Line(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, Options with { Indented = false }))
        {
            writer.WriteStartObject();
            write(writer);
            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    public static void WriteResult(Utf8JsonWriter writer, TaskResult result)
    {
        writer.WriteString("task", result.Id.ToString());
        writer.WriteString("state", WireNames.Text(result.State));
        WriteCause(writer, result.Cause);
        WriteBytes(writer, "output", result.Output.Span);
        WriteBytes(writer, "stdout", result.Stdout.Span);
        WriteBytes(writer, "stderr", result.Stderr.Span);
        writer.WriteNumber("stdout_dropped", result.StdoutDropped);
        writer.WriteNumber("stderr_dropped", result.StderrDropped);
        LogText.WriteRecords(writer, result.Log.Span);
        writer.WriteNumber("log_dropped", result.LogDropped);
        ArtifactFiles.Write(writer, result.Artifacts);
        writer.WriteNumber("queue_us", result.QueueMicroseconds);
        writer.WriteNumber("start_us", result.StartMicroseconds);
        writer.WriteNumber("run_us", result.RunMicroseconds);
        writer.WriteNumber("peak_memory_bytes", result.PeakMemoryBytes);
        writer.WriteNumber("cpu_us", result.CpuMicroseconds);
        LifeText.Write(writer, result.Life);
        writer.WriteBoolean("cached", result.Cached);
    }

    public static void WriteInfo(Utf8JsonWriter writer, TaskInfo info)
    {
        writer.WriteString("task", info.Id.ToString());
        writer.WriteString("kind", WireNames.Text(info.Kind));
        writer.WriteString("state", WireNames.Text(info.State));
        WriteCause(writer, info.Cause);
        writer.WriteString("class", WireNames.Text(info.Class));
        writer.WriteNumber("priority", info.Priority);
        writer.WriteString("image", info.Image);
        writer.WriteString("function", info.Function);
        writer.WriteString("submitted", info.Submitted);
        if (info.Ended is { } ended)
        {
            writer.WriteString("ended", ended);
        }

        writer.WriteNumber("queue_us", info.QueueMicroseconds);
        writer.WriteNumber("start_us", info.StartMicroseconds);
        writer.WriteNumber("run_us", info.RunMicroseconds);
        writer.WriteNumber("peak_memory_bytes", info.PeakMemoryBytes);
        writer.WriteNumber("cpu_us", info.CpuMicroseconds);
        writer.WriteNumber("output_bytes", info.OutputBytes);
        writer.WriteNumber("stdout_bytes", info.StdoutBytes);
        writer.WriteNumber("stderr_bytes", info.StderrBytes);
        writer.WriteNumber("log_bytes", info.LogBytes);
        if (info.Limits is { } limits)
        {
            writer.WriteStartObject("limits");
            foreach (var (name, value) in limits.Asked())
            {
                writer.WriteNumber(name, value);
            }

            if (info.DiskPlace.Length > 0)
            {
                writer.WriteString("disk_place", info.DiskPlace);
            }

            WriteTexts(writer, "not_enforced", info.LimitsNotEnforced);
            writer.WriteEndObject();
        }

        ArtifactFiles.Write(writer, info.Artifacts);
        if (info.Progress is { } progress)
        {
            writer.WriteStartObject("progress");
            if (progress.Percent is { } percent)
            {
                writer.WriteNumber("percent", percent);
            }

            writer.WriteString("text", progress.Text);
            writer.WriteEndObject();
        }

        LifeText.Write(writer, info.Life);
        if (info.Grants.Count > 0)
        {
            WriteTexts(writer, "grants", info.Grants);
        }
    }

    public static void WriteImage(Utf8JsonWriter writer, ImageInfo image)
    {
        writer.WriteStartObject();
        writer.WriteString("image", image.Image);
        writer.WriteString("name", image.Name);
        writer.WriteString("kind", image.Kind);
        writer.WriteNumber("bytes", image.Bytes);
        WriteTexts(writer, "functions", image.Functions);
        writer.WriteString("state", image.State);
        if (image.Profile is not null)
        {
            writer.WriteString("profile", image.Profile);
        }

        writer.WriteEndObject();
    }

    public static void WriteTexts(Utf8JsonWriter writer, string name, IEnumerable<string> texts)
    {
        writer.WriteStartArray(name);
        foreach (var text in texts)
        {
            writer.WriteStringValue(text);
        }

        writer.WriteEndArray();
    }

    public static void WriteNumbers(Utf8JsonWriter writer, string name, IReadOnlyDictionary<string, long> numbers)
    {
        writer.WriteStartObject(name);
        foreach (var (key, value) in numbers.OrderBy(static p => p.Key, StringComparer.Ordinal))
        {
            writer.WriteNumber(key, value);
        }

        writer.WriteEndObject();
    }

    public static void WritePeers(Utf8JsonWriter writer, PeerList list)
    {
        writer.WriteString("node", list.Node);
        writer.WriteStartArray("peers");
        foreach (var peer in list.Peers)
        {
            writer.WriteStartObject();
            writer.WriteString("name", peer.Name);
            writer.WriteString("address", peer.Address);
            writer.WriteString("state", WireNames.Text(peer.State));
            writer.WriteString("since", peer.Since);
            writer.WriteString("reason", peer.Reason);
            if (peer.Heard is { } heard)
            {
                writer.WriteString("heard", heard);
            }

            writer.WriteString("version", peer.Version);
            writer.WriteNumber("round_trip_us", (long)peer.RoundTrip.TotalMicroseconds);
            writer.WriteNumber("running", peer.Load.Running);
            writer.WriteNumber("queued", peer.Load.Queued);
            writer.WriteNumber("slots", peer.Load.Slots);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    public static void WriteTenants(Utf8JsonWriter writer, IReadOnlyList<TenantInfo> tenants)
    {
        writer.WriteStartArray("tenants");
        foreach (var tenant in tenants)
        {
            writer.WriteStartObject();
            writer.WriteString("name", tenant.Name);
            writer.WriteNumber("id", tenant.Id);
            writer.WriteNumber("weight", tenant.Weight);
            writer.WriteNumber("max_running", tenant.MaxRunning);
            writer.WriteNumber("max_queued", tenant.MaxQueued);
            writer.WriteNumber("max_queued_bytes", tenant.MaxQueuedBytes);
            writer.WriteString("highest_class", WireNames.Text(tenant.HighestClass));
            writer.WriteNumber("running", tenant.Running);
            writer.WriteNumber("queued", tenant.Queued);
            writer.WriteNumber("finished", tenant.Finished);
            writer.WriteNumber("slot_us", tenant.SlotMicroseconds);
            writer.WriteNumber("refused", tenant.Refused);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    public static void WritePools(Utf8JsonWriter writer, IReadOnlyList<PoolInfo> pools)
    {
        writer.WriteStartArray("pools");
        foreach (var pool in pools)
        {
            writer.WriteStartObject();
            writer.WriteString("image", pool.Image);
            writer.WriteString("kind", pool.Kind);
            writer.WriteString("profile", pool.Profile);
            writer.WriteString("reuse", WireNames.Text(pool.Reuse));
            writer.WriteString("state", pool.State);
            writer.WriteNumber("queued", pool.Queued);
            writer.WriteNumber("free_slots", pool.FreeSlots);
            writer.WriteNumber("workers", pool.Workers);
            writer.WriteNumber("busy", pool.Busy);
            writer.WriteNumber("starting", pool.Starting);
            writer.WriteNumber("max_workers", pool.MaxWorkers);
            writer.WriteNumber("wanted", pool.Wanted);
            writer.WriteNumber("idle", pool.Idle);
            writer.WriteNumber("recycled", pool.Recycled);
            writer.WriteNumber("warmed", pool.Warmed);
            writer.WriteNumber("warmed_used", pool.WarmedUsed);
            writer.WriteNumber("warmed_unused", pool.WarmedUnused);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    public static void WriteWorkers(Utf8JsonWriter writer, IReadOnlyList<WorkerInfo> workers)
    {
        writer.WriteStartArray("workers");
        foreach (var worker in workers)
        {
            writer.WriteStartObject();
            writer.WriteNumber("worker", worker.Worker);
            writer.WriteNumber("pid", worker.ProcessId);
            writer.WriteString("image", worker.Image);
            writer.WriteString("profile", worker.Profile);
            writer.WriteString("reuse", WireNames.Text(worker.Reuse));
            writer.WriteString("state", worker.State);
            writer.WriteNumber("in_flight", worker.InFlight);
            writer.WriteNumber("calls", worker.Calls);
            writer.WriteNumber("age_ms", (long)worker.Age.TotalMilliseconds);
            writer.WriteNumber("idle_ms", (long)worker.Idle.TotalMilliseconds);
            writer.WriteNumber("memory_bytes", worker.MemoryBytes);
            writer.WriteNumber("cpu_us", worker.CpuMicroseconds);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    public static void WriteIncidents(Utf8JsonWriter writer, IReadOnlyList<IncidentInfo> incidents)
    {
        writer.WriteStartArray("incidents");
        foreach (var incident in incidents)
        {
            writer.WriteStartObject();
            writer.WriteString("kind", incident.Kind);
            writer.WriteString("at", incident.At);
            writer.WriteString("pool", incident.Pool);
            writer.WriteString("reason", incident.Reason);
            writer.WriteNumber("duration_us", (long)incident.Duration.TotalMicroseconds);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    public static void WriteCause(Utf8JsonWriter writer, TaskCause cause)
    {
        if (cause.Type == CauseType.None)
        {
            return;
        }

        writer.WriteStartObject("cause");
        writer.WriteString("type", WireNames.Text(cause.Type));
        switch (cause.Type)
        {
            case CauseType.Exit:
                writer.WriteNumber("code", cause.Value);
                break;
            case CauseType.Signal:
                writer.WriteNumber("signal", cause.Value);
                break;
            case CauseType.SandboxViolation when cause.Value > 0:
                writer.WriteNumber("syscall", cause.Value);
                break;
            default:
                break;
        }

        if (cause.Detail is not null)
        {
            writer.WriteString(cause.Type == CauseType.SandboxViolation ? "what" : "detail", cause.Detail);
        }

        if (cause.Traceback is not null)
        {
            writer.WriteString("traceback", cause.Traceback);
        }

        writer.WriteEndObject();
    }

    /// <summary>A text where the bytes are one; else NAME_base64, so that nothing is changed silently.</summary>
    internal static void WriteBytes(Utf8JsonWriter writer, string name, ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
        {
            return;
        }

        try
        {
            writer.WriteString(name, Strict.GetString(bytes));
        }
        catch (DecoderFallbackException)
        {
            writer.WriteBase64String(name + "_base64", bytes);
        }
    }
}
