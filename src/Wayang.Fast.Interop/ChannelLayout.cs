using System.Runtime.InteropServices;
using System.Text;

namespace Wayang.Fast.Interop;

/// <summary>
/// Mirror of <c>native/channel/layout.h</c>: see there for the meaning and the rules. A test compares the two.
/// </summary>
public static class ChannelLayout
{
    public const ulong Magic = 0x314C4E4843415957;
    public const uint Version = 2;
    public const int HeaderBytes = 4096;
    public const int SlotBytes = 64;

    /// <summary>Bytes from one slot of a ring to the next.</summary>
    public const int SlotStride = 128;
    public const int InlineBytes = 48;
    public const byte InlineReference = 255;
    public const int MinSlots = 8;
    public const int MaxSlots = 4096;
    public const int MaxInFlight = 256;
    public const int MaxArenaBytes = 64 << 20;
    public const int HeadBatch = 32;

    /// <summary>Largest piece of a payload that one slot refers to.</summary>
    public const int MaxChunkBytes = 64 << 10;

    public const int OffsetMagic = 0x00;
    public const int OffsetHead = 0x80;
    public const int OffsetSleeping = 0x100;
    public const int OffsetWantsSpace = 0x104;
    public const int OffsetDoorbell = 0x180;
    public const int OffsetCancelled = 0x200;
    public const int OffsetSaveWanted = 0x280;
    public const int OffsetStateBytes = 0x34;
    public const int OffsetFacts = 0x400;
    public const int FactsBytes = 32;

    /// <summary>In-flight indices that have facts (task id, attempt, deadline), and costs.</summary>
    public const int MaxFacts = 64;

    public const int OffsetMeasures = 0x30;
    public const int OffsetCosts = 0xC00;
    public const int CostBytes = 16;

    public const byte KindCall = 1;
    public const byte KindStop = 2;
    public const byte KindState = 3;
    public const byte KindReady = 16;
    public const byte KindOutput = 17;
    public const byte KindError = 18;
    public const byte KindLog = 19;
    public const byte KindProgress = 20;
    public const byte KindSaved = 21;
    public const byte KindYielded = 22;
    public const byte ProgressUnknown = 255;
    public const int ProgressTextBytes = 200;

    /// <summary>Largest payload of an ERROR: code, NUL, message, NUL, traceback.</summary>
    public const int MaxErrorBytes = 64 + 4000 + 1 + 16384;
    public const byte FlagFirst = 0x40;
    public const byte FlagLast = 0x80;
    public const byte KindMask = 0x3f;

    public const byte LogStdout = 1;
    public const byte LogStderr = 2;
    public const byte LogDebug = 16;
    public const byte LogInfo = 17;
    public const byte LogWarning = 18;
    public const byte LogError = 19;

    internal static long RingBytes(int slots) => (((long)slots * SlotStride) + 4095) & ~4095L;

    /// <summary>The native library's own view of the layout and of the ABI's structs, as name=value lines.</summary>
    internal static unsafe string ReadNative()
    {
        const int Capacity = 8192;
        byte* buffer = stackalloc byte[Capacity];
        int length = NativeMethods.wayang_layout(buffer, Capacity);
        return Encoding.ASCII.GetString(buffer, length);
    }

    internal static int ChunkLimit(int arenaBytes) => Math.Min(MaxChunkBytes, arenaBytes / 4);
}

/// <summary>One slot of a ring, with the unused line behind it.</summary>
[StructLayout(LayoutKind.Explicit, Size = ChannelLayout.SlotStride)]
internal unsafe struct ChannelSlot
{
    [FieldOffset(0)] public ulong Sequence;
    [FieldOffset(8)] public uint Ticket;
    [FieldOffset(12)] public ushort Function;
    [FieldOffset(14)] public byte Kind;
    [FieldOffset(15)] public byte Length;
    [FieldOffset(16)] public fixed byte Inline[ChannelLayout.InlineBytes];
    [FieldOffset(16)] public uint ReferenceOffset;
    [FieldOffset(20)] public uint ReferenceLength;
    [FieldOffset(24)] public ulong ReferenceTotal;
}

/// <summary>What a call may know of itself.</summary>
[StructLayout(LayoutKind.Explicit, Size = ChannelLayout.FactsBytes)]
internal struct ChannelFacts
{
    [FieldOffset(0)] public ulong TaskHigh;
    [FieldOffset(8)] public ulong TaskLow;
    [FieldOffset(16)] public long DeadlineNanoseconds;
    [FieldOffset(24)] public uint Ticket;
    [FieldOffset(28)] public uint Attempt;
}

/// <summary>What a call cost, as its worker says.</summary>
[StructLayout(LayoutKind.Explicit, Size = ChannelLayout.CostBytes)]
internal struct ChannelCost
{
    [FieldOffset(0)] public ulong CpuNanoseconds;
    [FieldOffset(8)] public uint Ticket;
}
