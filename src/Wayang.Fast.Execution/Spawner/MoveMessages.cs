using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Wayang.Fast.Execution.Spawner;

/// <summary>Workers that are written down and continued, as daemon and spawner speak of them.</summary>
internal static class MoveMessages
{
    /// <summary>The stream fits every zygote of the image, also one that is started later.</summary>
    private const uint Whole = 0x1;

    /// <summary>Most of it is written while the worker runs, where the host can count what that writes meanwhile.</summary>
    private const uint Live = 0x4;

    /// <param name="buffer">At least the size of the message.</param>
    /// <param name="request">Echoed in the answer and in a refusal; no id of an image or worker.</param>
    /// <param name="worker">Which; a descriptor for its stream travels with it.</param>
    /// <param name="live">It may run for most of it.</param>
    public static int Capture(Span<byte> buffer, ulong request, ulong worker, bool live)
    {
        var body = MessageWriter.Begin(buffer, MessageType.WorkerCapture, ProtocolLayout.WorkerCaptureBytes, 1, request);
        BinaryPrimitives.WriteUInt64LittleEndian(body, worker);
        BinaryPrimitives.WriteUInt32LittleEndian(body[8..], live ? Whole | Live : Whole);
        return ProtocolLayout.HeaderBytes + ProtocolLayout.WorkerCaptureBytes;
    }

    public static int Go(Span<byte> buffer, ulong worker)
    {
        // Request 0, as with signals: a worker that has just ended is no start that was refused.
        var body = MessageWriter.Begin(buffer, MessageType.WorkerGo, ProtocolLayout.WorkerRefBytes, 0, 0);
        BinaryPrimitives.WriteUInt64LittleEndian(body, worker);
        return ProtocolLayout.HeaderBytes + ProtocolLayout.WorkerRefBytes;
    }

    /// <summary>WORKER_PREPARED.</summary>
    public static bool TryReadPrepared(ReadOnlySpan<byte> body, out ulong worker)
    {
        var isWhole = body.Length == ProtocolLayout.WorkerRefBytes;
        worker = isWhole ? BinaryPrimitives.ReadUInt64LittleEndian(body) : 0;
        return isWhole;
    }

    /// <summary>WORKER_CAPTURED or WORKER_RESTORED.</summary>
    public static bool TryReadMoved(ReadOnlySpan<byte> body, out WorkerMoved moved)
    {
        moved = default;
        if (body.Length != ProtocolLayout.WorkerMovedBytes)
        {
            return false;
        }

        moved = new WorkerMoved(
            BinaryPrimitives.ReadUInt64LittleEndian(body), BinaryPrimitives.ReadUInt64LittleEndian(body[8..]),
            BinaryPrimitives.ReadUInt64LittleEndian(body[16..]), BinaryPrimitives.ReadUInt64LittleEndian(body[24..]),
            BinaryPrimitives.ReadUInt64LittleEndian(body[32..]), BinaryPrimitives.ReadUInt32LittleEndian(body[40..]));
        return true;
    }
}

/// <summary>What an agent says of the worker that it holds.</summary>
/// <param name="Bytes">Of the stream.</param>
/// <param name="FrozenNanoseconds">From the (last) request to freeze to this word.</param>
/// <param name="LiveBytes">Of the stream, written while it ran.</param>
/// <param name="Rounds">In which that was done; 0: it stood still for all of it.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct WorkerMoved(ulong Worker, ulong Bytes, ulong Pages, ulong FrozenNanoseconds, ulong LiveBytes, uint Rounds);
