using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Client;

/// <summary>Writes request maps: keys in the order of the operation table, which is how the node finds them fastest.</summary>
internal static class RequestEncoders
{
    public static void Spec(ref MessagePackWriter writer, TaskSpec spec)
    {
        if (spec.Data.Length > OperationTable.MaxPayloadBytes || spec.Stdin.Length > OperationTable.MaxPayloadBytes)
        {
            throw new ArgumentException($"A payload has at most {OperationTable.MaxPayloadBytes} bytes.", nameof(spec));
        }

        var timeout = spec.Timeout is { } period ? (long)Math.Max(1, Math.Ceiling(period.TotalMilliseconds)) : 0;
        writer.WriteMapHeader(1 + Count(spec.Image is not null) + Count(spec.Function is not null) + Count(!spec.Data.IsEmpty)
            + Count(spec.Arguments is not null) + Count(spec.Environment is not null) + Count(spec.WorkingDirectory is not null)
            + Count(!spec.Stdin.IsEmpty) + Count(spec.Profile is not null) + Count(spec.Class is not null)
            + Count(spec.Priority is not null) + Count(timeout > 0) + Count(spec.Reuse != WorkerReuse.Tenant)
            + TermEncoders.Count(spec));
        Text(ref writer, "kind"u8, WireNames.Text(spec.Kind));
        OptionalText(ref writer, "image"u8, spec.Image);
        OptionalText(ref writer, "function"u8, spec.Function);
        OptionalBytes(ref writer, "data"u8, spec.Data);
        if (spec.Arguments is not null)
        {
            writer.WriteString("argv"u8);
            writer.WriteArrayHeader(spec.Arguments.Count);
            foreach (var argument in spec.Arguments)
            {
                writer.WriteString(argument);
            }
        }

        if (spec.Environment is not null)
        {
            writer.WriteString("env"u8);
            writer.WriteMapHeader(spec.Environment.Count);
            foreach (var (name, value) in spec.Environment)
            {
                writer.WriteString(name);
                writer.WriteString(value);
            }
        }

        OptionalText(ref writer, "cwd"u8, spec.WorkingDirectory);
        OptionalBytes(ref writer, "stdin"u8, spec.Stdin);
        OptionalText(ref writer, "profile"u8, spec.Profile);
        OptionalText(ref writer, "class"u8, spec.Class is { } taskClass ? WireNames.Text(taskClass) : null);
        OptionalNumber(ref writer, "priority"u8, spec.Priority);
        OptionalNumber(ref writer, "timeout_ms"u8, timeout > 0 ? timeout : null);
        OptionalText(ref writer, "reuse"u8, spec.Reuse != WorkerReuse.Tenant ? WireNames.Text(spec.Reuse) : null);
        TermEncoders.Write(ref writer, spec);
    }

    public static void Specs(ref MessagePackWriter writer, IReadOnlyList<TaskSpec> specs)
    {
        writer.WriteMapHeader(1);
        writer.WriteString("tasks"u8);
        writer.WriteArrayHeader(specs.Count);
        foreach (var spec in specs)
        {
            Spec(ref writer, spec);
        }
    }

    public static void Session(ref MessagePackWriter writer, string token)
    {
        writer.WriteMapHeader(1);
        Text(ref writer, "token"u8, token);
    }

    public static void Id(ref MessagePackWriter writer, TaskId id) => Text(ref writer, "task"u8, id.ToString());

    public static void Output(ref MessagePackWriter writer, TaskId id, TaskStream stream, long offset, int maxBytes, TimeSpan wait)
    {
        writer.WriteMapHeader(wait > TimeSpan.Zero ? 5 : 4);
        Id(ref writer, id);
        Text(ref writer, "stream"u8, stream switch
        {
            TaskStream.Stdout => "stdout",
            TaskStream.Stderr => "stderr",
            TaskStream.Log => "log",
            _ => "output",
        });
        OptionalNumber(ref writer, "offset"u8, offset);
        OptionalNumber(ref writer, "max_bytes"u8, maxBytes);
        OptionalNumber(ref writer, "wait_ms"u8, wait > TimeSpan.Zero ? (long)Math.Min(OperationTable.MaxWaitMs, Math.Ceiling(wait.TotalMilliseconds)) : null);
    }

    public static void Image(ref MessagePackWriter writer, string kind, ReadOnlyMemory<byte> data, ImageNames names)
    {
        var preload = names.Preload.Count > 0;
        writer.WriteMapHeader(2 + Count(names.Name is not null) + Count(preload) + Count(names.File is not null));
        Text(ref writer, "kind"u8, kind);
        writer.WriteString("data"u8);
        writer.WriteBinary(data.Span);
        OptionalText(ref writer, "name"u8, names.Name);
        if (preload)
        {
            writer.WriteString("preload"u8);
            writer.WriteArrayHeader(names.Preload.Count);
            foreach (var module in names.Preload)
            {
                writer.WriteString(module);
            }
        }

        OptionalText(ref writer, "file"u8, names.File);
    }

    public static void OptionalNumber(ref MessagePackWriter writer, ReadOnlySpan<byte> key, long? value)
    {
        if (value is { } number)
        {
            writer.WriteString(key);
            writer.WriteInt64(number);
        }
    }

    private static void OptionalBytes(ref MessagePackWriter writer, ReadOnlySpan<byte> key, ReadOnlyMemory<byte> value)
    {
        if (!value.IsEmpty)
        {
            writer.WriteString(key);
            writer.WriteBinary(value.Span);
        }
    }

    public static void OptionalText(ref MessagePackWriter writer, ReadOnlySpan<byte> key, string? value)
    {
        if (value is not null)
        {
            Text(ref writer, key, value);
        }
    }

    private static void Text(ref MessagePackWriter writer, ReadOnlySpan<byte> key, string value)
    {
        writer.WriteString(key);
        writer.WriteString(value);
    }

    private static int Count(bool present) => present ? 1 : 0;
}
