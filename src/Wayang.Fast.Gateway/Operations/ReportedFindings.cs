using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>What a caller of a scan found in files that the node itself may not read: checked, then kept. All of it or nothing.</summary>
internal static class ReportedFindings
{
    /// <summary>Bytes of one.</summary>
    public const int MaxBytes = 1_000;

    private const string Field = "reported";
    private const string Critical = "critical: ";
    private const string Warning = "warning: ";

    public static OperationError? Keep(INodeMonitor monitor, ReadOnlySpan<byte> frame, in ParameterSlot slot)
    {
        if (!slot.Present)
        {
            return null;
        }

        var reader = new MessagePackReader(slot.Of(frame));
        reader.TryReadArrayHeader(out var count);
        var findings = new List<string>(count);
        for (var i = 0; i < count; i++)
        {
            if (!reader.TryReadStringOrBinary(out var bytes) || bytes.Length > MaxBytes)
            {
                return new(ErrorCode.InvalidArgument, $"item {i} is no text of at most {MaxBytes} bytes", Field);
            }

            var text = Encoding.UTF8.GetString(bytes);
            if ((!text.StartsWith(Critical, StringComparison.Ordinal) && !text.StartsWith(Warning, StringComparison.Ordinal)) || text.Any(char.IsControl))
            {
                return new(ErrorCode.InvalidArgument, $"item {i} is one line that begins with '{Critical}' or '{Warning}'", Field);
            }

            findings.Add(text);
        }

        foreach (var text in findings)
        {
            var critical = text.StartsWith(Critical, StringComparison.Ordinal);
            monitor.Report(text[(critical ? Critical : Warning).Length..], critical);
        }

        return null;
    }
}
