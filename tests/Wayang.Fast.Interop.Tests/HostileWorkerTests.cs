using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;
using Xunit;

namespace Wayang.Fast.Interop.Tests;

/// <summary>
/// The completion ring written by an attacker: through the worker's own memory file, any byte at any place. The reader answers
/// Ok, Empty or Corrupt, never with an exception, never with a length outside its contract, and never touches memory outside
/// the file (the process would die) or outside the scratch buffer (guarded by a pattern).
/// </summary>
[Trait("Promise", "PS1")]
[Trait("Promise", "TR1")]
public sealed class HostileWorkerTests
{
    private const int Slots = 8;
    private const int Arena = 16384;
    private const int Ring = ChannelLayout.HeaderBytes;
    private const int Guard = 256;

    private static readonly ChannelGeometry Geometry = new()
    {
        RequestSlots = Slots,
        RequestArenaBytes = Arena,
        CompletionSlots = Slots,
        CompletionArenaBytes = Arena,
        MaxPayload = 1 << 20,
    };

    private static readonly ulong[] Numbers =
    [
        0, 1, 2, 7, 8, 9, 47, 48, 49, 63, 64, 254, 255, 256, 4095, 4096, 16383, 16384, 16385, 65535, 65536, 65537, 1 << 20, (1 << 20) + 1,
        int.MaxValue, 0x80000000, 0xffffff00, 0xffffffff, 0x100000000, long.MaxValue, 0x8000000000000000, ulong.MaxValue - 1, ulong.MaxValue,
    ];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Mutated_slots_are_ok_empty_or_corrupt(int seed)
    {
        var random = new Random(seed);
        var seen = new int[(int)RingStatus.Corrupt + 1];
        byte[] scratch = new byte[ChannelLayout.MaxChunkBytes + Guard];
        scratch.AsSpan(ChannelLayout.MaxChunkBytes).Fill(0xa5);
        byte[] slot = new byte[ChannelLayout.SlotBytes];
        for (int mutations = 0; mutations < 40_000;)
        {
            using ChannelMemory memory = ChannelMemory.Create(Geometry);
            using SafeFileHandle file = OpenWorkerFile(memory);
            var reader = new CompletionReader(memory);
            var writer = new RequestWriter(memory);
            ulong position = 0;

            // Corruption is sticky, so a channel is done with once it was seen: every mutation counted here was judged.
            for (RingStatus status = RingStatus.Ok; status != RingStatus.Corrupt && position < 200; mutations++)
            {
                Craft(random, slot, position, position == 0);
                RandomAccess.Write(file, slot, Ring + (int)((position % Slots) * ChannelLayout.SlotStride));
                MutateHeader(random, file);
                status = reader.TryRead(scratch.AsSpan(0, ChannelLayout.MaxChunkBytes), out Completion completion);
                seen[(int)status]++;
                Check(status, completion, reader);
                position += status == RingStatus.Ok ? 1UL : 0UL;
                Exercise(reader, writer, (uint)mutations);
            }
        }

        Assert.Equal(-1, scratch.AsSpan(ChannelLayout.MaxChunkBytes).IndexOfAnyExcept((byte)0xa5));
        Assert.True(seen[(int)RingStatus.Ok] > 500, $"ok {seen[0]}, empty {seen[1]}, corrupt {seen[4]}");
        Assert.True(seen[(int)RingStatus.Corrupt] > 5000);
    }

    [Theory]
    [InlineData(ChannelLayout.KindReady, 0UL, "first slot")]
    [InlineData(ChannelLayout.KindCall, 0UL, "kind")]
    [InlineData((byte)(ChannelLayout.KindYielded + 1), 0UL, "kind")]
    [InlineData((byte)63, 0UL, "kind")]
    public void Only_completions_are_read(byte kind, ulong sequence, string why)
    {
        using ChannelMemory memory = ChannelMemory.Create(Geometry);
        using SafeFileHandle file = OpenWorkerFile(memory);
        var reader = new CompletionReader(memory);
        WriteSlot(file, 0, 1, 0, ChannelLayout.KindReady | 0xc0, 0, 0, 0, 0);
        byte[] scratch = new byte[ChannelLayout.MaxChunkBytes];
        Assert.Equal(RingStatus.Ok, reader.TryRead(scratch, out _));
        WriteSlot(file, 1, 2 + sequence, 0, (byte)(kind | 0xc0), 0, 0, 0, 0);
        Assert.Equal(RingStatus.Corrupt, reader.TryRead(scratch, out _));
        Assert.True(reader.CorruptReason is not null, why);

        // Sticky: what is put right afterwards is not believed.
        WriteSlot(file, 1, 2, 0, ChannelLayout.KindOutput | 0xc0, 0, 0, 0, 0);
        Assert.Equal(RingStatus.Corrupt, reader.TryRead(scratch, out _));
    }

    [Theory]
    [InlineData(0x00, 255, 0u, 100u, 200UL)] // a chunk before any first one
    [InlineData(0x40, 10, 0u, 0u, 10UL)] // inline, but not whole
    [InlineData(0xc0, 255, 0u, 100u, 200UL)] // whole, but says there is more
    [InlineData(0x40, 255, 0u, 100u, 100UL)] // complete, but not last
    [InlineData(0x40, 255, 16384u, 1u, 200UL)] // outside the arena
    [InlineData(0x40, 255, 0xffffffffu, 2u, 200UL)] // wraps in 32 bits
    [InlineData(0xc0, 255, 0u, 0u, 0UL)] // a reference to nothing
    [InlineData(0xc0, 254, 0u, 0u, 0UL)]
    [InlineData(0x40, 255, 0u, 100u, 1048577UL)] // over the largest payload
    [InlineData(0x40, 255, 0u, 100u, ulong.MaxValue)]
    public void Payloads_follow_the_grammar(int flags, int length, uint offset, uint bytes, ulong total)
    {
        using ChannelMemory memory = ChannelMemory.Create(Geometry);
        using SafeFileHandle file = OpenWorkerFile(memory);
        var reader = new CompletionReader(memory);
        byte[] scratch = new byte[ChannelLayout.MaxChunkBytes];
        WriteSlot(file, 0, 1, 0, ChannelLayout.KindReady | 0xc0, 0, 0, 0, 0);
        Assert.Equal(RingStatus.Ok, reader.TryRead(scratch, out _));
        WriteSlot(file, 1, 2, 9, (byte)(ChannelLayout.KindOutput | flags), (byte)length, offset, bytes, total);
        Assert.Equal(RingStatus.Corrupt, reader.TryRead(scratch, out _));
    }

    [Theory]
    [InlineData(8u, ChannelLayout.KindOutput, 0x80, 100u, 200UL)] // another ticket
    [InlineData(9u, ChannelLayout.KindError, 0x80, 100u, 200UL)] // another kind
    [InlineData(9u, ChannelLayout.KindOutput, 0x80, 100u, 201UL)] // another total
    [InlineData(9u, ChannelLayout.KindOutput, 0x80, 99u, 200UL)] // last, but short
    [InlineData(9u, ChannelLayout.KindOutput, 0x00, 100u, 200UL)] // complete, but not last
    [InlineData(9u, ChannelLayout.KindOutput, 0x80, 101u, 200UL)] // too much
    [InlineData(9u, ChannelLayout.KindOutput, 0xc0, 100u, 200UL)] // first again
    public void Chunks_belong_together(uint ticket, byte kind, int flags, uint bytes, ulong total)
    {
        using ChannelMemory memory = ChannelMemory.Create(Geometry);
        using SafeFileHandle file = OpenWorkerFile(memory);
        var reader = new CompletionReader(memory);
        byte[] scratch = new byte[ChannelLayout.MaxChunkBytes];
        WriteSlot(file, 0, 1, 0, ChannelLayout.KindReady | 0xc0, 0, 0, 0, 0);
        WriteSlot(file, 1, 2, 9, ChannelLayout.KindOutput | 0x40, 255, 0, 100, 200);
        Assert.Equal(RingStatus.Ok, reader.TryRead(scratch, out _));
        Assert.Equal(RingStatus.Ok, reader.TryRead(scratch, out _));
        WriteSlot(file, 2, 3, ticket, (byte)(kind | flags), 255, 0, bytes, total);
        Assert.Equal(RingStatus.Corrupt, reader.TryRead(scratch, out _));
    }

    [Fact]
    public void Files_cannot_be_cut_or_grown()
    {
        using ChannelMemory memory = ChannelMemory.Create(Geometry);
        using SafeFileHandle file = OpenWorkerFile(memory);
        Assert.ThrowsAny<Exception>(() => RandomAccess.SetLength(file, 0));
        Assert.ThrowsAny<Exception>(() => RandomAccess.SetLength(file, 1 << 24));
        Assert.Equal(ChannelLayout.HeaderBytes + 4096 + Arena, RandomAccess.GetLength(file));
        using SafeFileHandle daemon = File.OpenHandle($"/proc/self/fd/{memory.DaemonFile}", FileMode.Open, FileAccess.ReadWrite);
        Assert.ThrowsAny<Exception>(() => RandomAccess.Write(daemon, new byte[] { 1 }, 0));
    }

    [Fact]
    public void A_flooded_or_blocking_doorbell_blocks_nobody()
    {
        using ChannelMemory memory = ChannelMemory.Create(Geometry);
        using var poller = new Poller();
        var events = new PollEvent[4];
        poller.Add(memory.Doorbell, 1, edgeTriggered: true);
        byte[] most = BitConverter.GetBytes(ulong.MaxValue - 1);
        Assert.Equal(8, Descriptors.Write(memory.Doorbell, most));
        Assert.Equal(1, poller.Wait(events, 1000));
        Assert.Equal(Descriptors.WouldBlock, Descriptors.Write(memory.Doorbell, BitConverter.GetBytes(1UL)));

        // Nothing reads the doorbell, so neither a full counter nor a cleared O_NONBLOCK can hang the daemon.
        Assert.Equal(0, poller.Wait(events, 0));
        var reader = new CompletionReader(memory);
        Assert.False(reader.PrepareSleep());
        reader.CancelSleep();
    }

    private static SafeFileHandle OpenWorkerFile(ChannelMemory memory) =>
        File.OpenHandle($"/proc/self/fd/{memory.WorkerFile}", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);

    private static void Check(RingStatus status, in Completion completion, CompletionReader reader)
    {
        Assert.True(status is RingStatus.Ok or RingStatus.Empty or RingStatus.Corrupt);
        Assert.Equal(status == RingStatus.Corrupt, reader.CorruptReason is not null);
        if (status == RingStatus.Ok)
        {
            Assert.InRange(completion.Length, 0, ChannelLayout.MaxChunkBytes);
            Assert.InRange(completion.Total, completion.Length, Geometry.MaxPayload);
            Assert.InRange(completion.Kind, ChannelLayout.KindReady, ChannelLayout.KindYielded);
        }
    }

    private static void Exercise(CompletionReader reader, RequestWriter writer, uint ticket)
    {
        reader.PublishHead();
        reader.PrepareSleep();
        reader.CancelSleep();
        RingStatus status = writer.TryWrite(ticket, 0, ChannelLayout.KindCall, new byte[100]);
        Assert.True(status is RingStatus.Ok or RingStatus.Full or RingStatus.Corrupt);
        writer.Publish();
        Assert.InRange(writer.FreeSlots, 0, Slots);
        _ = writer.IsDrained;
    }

    /// <summary>A slot that is right in most fields and wrong in some: pure noise would never get past the sequence.</summary>
    private static void Craft(Random random, byte[] slot, ulong position, bool ready)
    {
        random.NextBytes(slot);
        bool inline = random.Next(2) == 0;
        uint length = (uint)random.Next(1, 4097);
        BinaryPrimitives.WriteUInt64LittleEndian(slot, position + 1);
        BinaryPrimitives.WriteUInt32LittleEndian(slot.AsSpan(8), ready ? 0 : (uint)random.Next(4));
        slot[14] = ready ? (byte)(ChannelLayout.KindReady | 0xc0) : (byte)(random.Next(17, 22) | 0xc0);
        slot[15] = ready ? (byte)0 : inline ? (byte)random.Next(49) : (byte)255;
        if (!ready && !inline)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(slot.AsSpan(16), (uint)random.Next(Arena - 4096));
            BinaryPrimitives.WriteUInt32LittleEndian(slot.AsSpan(20), length);
            BinaryPrimitives.WriteUInt64LittleEndian(slot.AsSpan(24), length);
        }

        int wrong = random.Next(ready ? 12 : 3);
        for (int i = 0; i < wrong && (!ready || wrong > 10); i++)
        {
            MutateField(random, slot);
        }
    }

    private static void MutateField(Random random, byte[] slot)
    {
        ulong number = Numbers[random.Next(Numbers.Length)];
        switch (random.Next(8))
        {
            case 0:
                BinaryPrimitives.WriteUInt64LittleEndian(slot, number);
                break;
            case 1:
                slot[14] = (byte)random.Next(256);
                break;
            case 2:
                slot[15] = (byte)random.Next(256);
                break;
            case 3:
                BinaryPrimitives.WriteUInt32LittleEndian(slot.AsSpan(16), (uint)number);
                break;
            case 4:
                BinaryPrimitives.WriteUInt32LittleEndian(slot.AsSpan(20), (uint)number);
                break;
            case 5:
                BinaryPrimitives.WriteUInt64LittleEndian(slot.AsSpan(24), number);
                break;
            case 6:
                slot[random.Next(8, slot.Length)] ^= (byte)(1 << random.Next(8));
                break;
            default:
                BinaryPrimitives.WriteUInt32LittleEndian(slot.AsSpan(8), (uint)number);
                break;
        }
    }

    private static void MutateHeader(Random random, SafeFileHandle file)
    {
        Span<byte> word = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(word, Numbers[random.Next(Numbers.Length)]);
        int[] places = [0, 8, 16, ChannelLayout.OffsetHead, ChannelLayout.OffsetSleeping, ChannelLayout.OffsetDoorbell];
        RandomAccess.Write(file, word, places[random.Next(places.Length)]);
    }

    private static void WriteSlot(
        SafeFileHandle file, int index, ulong sequence, uint ticket, byte kind, byte length, uint offset, uint bytes, ulong total)
    {
        Span<byte> slot = stackalloc byte[ChannelLayout.SlotBytes];
        slot.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(slot, sequence);
        BinaryPrimitives.WriteUInt32LittleEndian(slot[8..], ticket);
        slot[14] = kind;
        slot[15] = length;
        BinaryPrimitives.WriteUInt32LittleEndian(slot[16..], offset);
        BinaryPrimitives.WriteUInt32LittleEndian(slot[20..], bytes);
        BinaryPrimitives.WriteUInt64LittleEndian(slot[24..], total);
        RandomAccess.Write(file, slot, Ring + (index * ChannelLayout.SlotStride));
    }
}
