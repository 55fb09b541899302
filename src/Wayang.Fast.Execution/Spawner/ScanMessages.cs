using System.Buffers.Binary;
using System.Text;
using Wayang.Fast.Core.Diagnostics;

namespace Wayang.Fast.Execution.Spawner;

/// <summary>What the spawner saw of one worker; mirrors <c>wy_msg_scan_finding</c>.</summary>
internal readonly record struct WorkerFinding(ulong Worker, FindingSeverity Severity, int ProcessId, string Text);

/// <summary>Messages of a security scan; false for anything malformed.</summary>
internal static class ScanMessages
{
    public const int ScanBytes = 8;
    public const int FindingBytes = 152;
    public const int DoneBytes = 16;

    public static bool TryReadFinding(ReadOnlySpan<byte> body, out WorkerFinding finding)
    {
        finding = default;
        if (body.Length != FindingBytes || BinaryPrimitives.ReadUInt32LittleEndian(body[16..]) is not (1 or 2))
        {
            return false;
        }

        var text = body[24..];
        var end = text.IndexOf((byte)0);
        finding = new WorkerFinding(
            BinaryPrimitives.ReadUInt64LittleEndian(body),
            (FindingSeverity)BinaryPrimitives.ReadUInt32LittleEndian(body[16..]),
            BinaryPrimitives.ReadInt32LittleEndian(body[20..]),
            Encoding.UTF8.GetString(end >= 0 ? text[..end] : text));
        return true;
    }

    public static bool TryReadDone(ReadOnlySpan<byte> body, out int workers, out int processes, out int untold)
    {
        (workers, processes, untold) = (0, 0, 0);
        if (body.Length != DoneBytes)
        {
            return false;
        }

        workers = (int)Math.Min(BinaryPrimitives.ReadUInt32LittleEndian(body), int.MaxValue);
        processes = (int)Math.Min(BinaryPrimitives.ReadUInt32LittleEndian(body[4..]), int.MaxValue);
        untold = (int)Math.Min(BinaryPrimitives.ReadUInt32LittleEndian(body[12..]), int.MaxValue);
        return true;
    }
}
