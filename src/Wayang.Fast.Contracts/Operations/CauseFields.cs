using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Contracts.Operations;

/// <summary>Writes why a task ended, as results and events have it.</summary>
public static class CauseFields
{
    /// <param name="writer">Stands where the map begins.</param>
    /// <param name="cause">Of an end.</param>
    /// <param name="traceback">With it, where there is one.</param>
    public static void Write(ref MessagePackWriter writer, in TaskCause cause, bool traceback)
    {
        var numberKey = cause.Type switch
        {
            CauseType.Exit => "code"u8,
            CauseType.Signal => "signal"u8,
            CauseType.SandboxViolation when cause.Value > 0 => "syscall"u8,
            _ => default,
        };
        var trace = traceback ? cause.Traceback : null;
        writer.WriteMapHeader(1 + (numberKey.IsEmpty ? 0 : 1) + (cause.Detail is null ? 0 : 1) + (trace is null ? 0 : 1));
        writer.WriteString("type"u8);
        writer.WriteString(WireNames.Utf8(cause.Type));
        if (!numberKey.IsEmpty)
        {
            writer.WriteString(numberKey);
            writer.WriteInt64(cause.Value);
        }

        if (cause.Detail is { } detail)
        {
            writer.WriteString(cause.Type == CauseType.SandboxViolation ? "what"u8 : "detail"u8);
            writer.WriteString(detail);
        }

        if (trace is not null)
        {
            writer.WriteString("traceback"u8);
            writer.WriteString(trace);
        }
    }
}
