using System.Buffers.Binary;

namespace Wayang.Fast.Execution.Spawner;

/// <summary>How a worker's processes were made to stand still; mirrors <c>WY_FROZEN_BY_*</c>.</summary>
internal enum FrozenBy : uint
{
    /// <summary>It runs.</summary>
    None = 0,

    /// <summary>The freezer of its group: nothing of it can tell.</summary>
    Group = 1,

    /// <summary>SIGSTOP to each process: their parents see it.</summary>
    Signal = 2,
}

/// <summary>Workers that stand still and go on, as daemon and spawner speak of them.</summary>
internal static class FreezeMessages
{
    public static int Freeze(Span<byte> buffer, ulong worker, bool freeze)
    {
        // Request 0, as with signals: a worker that has just ended is no start that was refused.
        var body = MessageWriter.Begin(buffer, MessageType.WorkerFreeze, ProtocolLayout.WorkerFreezeBytes, 0, 0);
        BinaryPrimitives.WriteUInt64LittleEndian(body, worker);
        BinaryPrimitives.WriteUInt32LittleEndian(body[8..], freeze ? 1u : 0u);
        return ProtocolLayout.HeaderBytes + ProtocolLayout.WorkerFreezeBytes;
    }

    public static bool TryReadFrozen(ReadOnlySpan<byte> body, out ulong worker, out bool frozen, out FrozenBy how)
    {
        (worker, frozen, how) = (0, false, FrozenBy.None);
        if (body.Length != ProtocolLayout.WorkerFrozenBytes)
        {
            return false;
        }

        worker = BinaryPrimitives.ReadUInt64LittleEndian(body);
        var flag = BinaryPrimitives.ReadUInt32LittleEndian(body[8..]);
        how = (FrozenBy)BinaryPrimitives.ReadUInt32LittleEndian(body[12..]);
        frozen = flag == 1;
        return flag <= 1 && how <= FrozenBy.Signal;
    }
}
