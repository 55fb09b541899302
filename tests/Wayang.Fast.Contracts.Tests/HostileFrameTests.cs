using System.Diagnostics;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Xunit;

namespace Wayang.Fast.Contracts.Tests;

/// <summary>What no honest peer sends: no crash, no unbounded memory, no work beyond the bytes that came.</summary>
[Trait("Promise", "COM3")]
public sealed class HostileFrameTests(ITestOutputHelper output)
{
    private const int Mutations = 1_000_000;

    [Theory]
    [InlineData("ddffffffff", FrameStatus.TooManyItems)]
    [InlineData("dfffffffff", FrameStatus.TooManyItems)]
    [InlineData("dbffffffff", FrameStatus.TooLong)]
    [InlineData("c6ffffffff", FrameStatus.TooLong)]
    [InlineData("c9ffffffff01", FrameStatus.TooLong)]
    [InlineData("9494949494949494949494949494949494949494", FrameStatus.TooDeep)]
    [InlineData("91c1", FrameStatus.Malformed)]
    public void A_lie_is_refused_when_it_is_told(string hex, FrameStatus expected)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var scanner = new FrameScanner(new FrameLimits());
        var status = scanner.Scan(Convert.FromHexString(hex));
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.Equal(expected, status);
        Assert.InRange(allocated, 0, 4096);
        var reader = new MessagePackReader(Convert.FromHexString(hex));
        Assert.False(reader.TrySkip());
        Assert.Equal(0, reader.Position);
    }

    [Fact]
    public void A_million_mutated_frames_read_within_their_bytes()
    {
        var seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var frames = Frames();
        var scanner = new FrameScanner(new FrameLimits { MaxBytes = 1 << 16, MaxItems = 1 << 12 });
        var scratch = new byte[1024];
        var slots = new ParameterSlot[OperationTable.MaxFields];
        var before = GC.GetAllocatedBytesForCurrentThread();
        var complete = 0;
        for (var i = 0; i < Mutations; i++)
        {
            var frame = frames[random.Next(frames.Count)];
            frame.CopyTo(scratch, 0);
            var length = Mutate(random, scratch, frame.Length);
            var bytes = scratch.AsSpan(0, length);
            scanner.Reset();
            var status = scanner.Scan(bytes);
            var reader = new MessagePackReader(bytes);
            if (status == FrameStatus.Complete)
            {
                complete++;
                Assert.True(scanner.Length <= length);
                Assert.True(reader.TrySkip());
                Assert.Equal(scanner.Length, reader.Position);
            }
            else
            {
                // What the scanner does not take whole, the reader must survive.
                reader.TrySkip();
                Assert.InRange(reader.Position, 0, length);
            }

            if (i % 16 == 0)
            {
                ReadAsRequest(bytes, slots);
            }
        }

        output.WriteLine($"{complete} still complete");
        Assert.InRange(complete, 1, Mutations - 1);

        // Refusals are words; frames are not copied: far less than the bytes that were read.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1L << 30);
    }

    [Fact]
    public void A_slow_drip_costs_each_byte_once()
    {
        var frame = new byte[(1 << 20) + 5];
        frame[0] = 0xDD;
        frame[2] = 0x10;
        frame.AsSpan(5).Fill(0xC0);
        var scanner = new FrameScanner(new FrameLimits { MaxItems = 1 << 21 });
        var start = Stopwatch.GetTimestamp();
        for (var length = 0; length < frame.Length; length++)
        {
            Assert.Equal(FrameStatus.Incomplete, scanner.Scan(frame.AsSpan(0, length)));
        }

        // If it began anew each time this would be half a trillion steps: the test would not end.
        Assert.Equal(FrameStatus.Complete, scanner.Scan(frame));
        output.WriteLine($"1 MiB of items byte by byte: {Stopwatch.GetElapsedTime(start).TotalMilliseconds:F0} ms");
    }

    [Fact]
    public void Limits_hold_at_their_edge()
    {
        var limits = new FrameLimits { MaxBytes = 12, MaxItems = 4, MaxDepth = 2 };
        Assert.Equal(FrameStatus.Complete, new FrameScanner(limits).Scan([0xC4, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
        Assert.Equal(FrameStatus.TooLong, new FrameScanner(limits).Scan([0xC4, 11]));
        Assert.Equal(FrameStatus.Complete, new FrameScanner(limits).Scan([0x93, 0xC0, 0xC0, 0xC0]));
        Assert.Equal(FrameStatus.TooManyItems, new FrameScanner(limits).Scan([0x94]));
        Assert.Equal(FrameStatus.Complete, new FrameScanner(limits).Scan([0x91, 0x91, 0x90]));
        Assert.Equal(FrameStatus.TooDeep, new FrameScanner(limits).Scan([0x91, 0x91, 0x91, 0xC0]));
    }

    private static void ReadAsRequest(ReadOnlySpan<byte> bytes, ParameterSlot[] slots)
    {
        var reader = new MessagePackReader(bytes);
        if (reader.TryReadArrayHeader(out _) && reader.TryReadUInt64(out _) && reader.TryReadUInt64(out _)
            && reader.TryReadStringOrBinary(out var method) && OperationTable.Find(method) is { } operation && reader.TryReadArrayHeader(out _))
        {
            Array.Clear(slots);
            if (ParameterReader.Read(operation, ref reader, slots) is null)
            {
                foreach (var slot in slots)
                {
                    Assert.True(slot.Offset >= 0 && slot.Length >= 0 && slot.Offset + slot.Length <= bytes.Length);
                }
            }
        }
    }

    private static int Mutate(Random random, byte[] bytes, int length)
    {
        for (var edits = random.Next(1, 4); edits > 0; edits--)
        {
            switch (random.Next(4))
            {
                case 0:
                    bytes[random.Next(length)] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes[random.Next(length)] ^= (byte)(1 << random.Next(8));
                    break;
                case 2:
                    length = random.Next(1, length + 1);
                    break;
                default:
                    // The dearest bytes: headers with lengths of 32 bits.
                    bytes[random.Next(length)] = (byte)random.Next(0xC1, 0xE0);
                    break;
            }
        }

        return length;
    }

    private static List<byte[]> Frames()
    {
        var frames = new List<byte[]>();
        foreach (var operation in OperationTable.All)
        {
            using var buffer = new PooledBuffer(256);
            var writer = new MessagePackWriter(buffer);
            writer.WriteArrayHeader(4);
            writer.WriteUInt64(0);
            writer.WriteUInt64(70_000);
            writer.WriteString(operation.Name);
            writer.WriteArrayHeader(1);
            writer.WriteMapHeader(operation.Request.Count);
            foreach (var field in operation.Request)
            {
                writer.WriteString(field.Name);
                WriteSample(ref writer, field);
            }

            writer.Commit();
            frames.Add(buffer.WrittenSpan.ToArray());
        }

        return frames;
    }

    private static void WriteSample(ref MessagePackWriter writer, RequestField field)
    {
        switch (field.Type)
        {
            case FieldType.Flag:
                writer.WriteBoolean(true);
                break;
            case FieldType.Map:
                writer.WriteMapHeader(0);
                break;
            case FieldType.Integer:
                writer.WriteInt64(field.Min);
                break;
            case FieldType.Bytes:
                writer.WriteBinary([1, 2, 3, 4]);
                break;
            case FieldType.Choice:
                writer.WriteString(field.Choices[0]);
                break;
            case FieldType.TaskId:
                writer.WriteString("01ARZ3NDEKTSV4RRFFQ69G5FAV");
                break;
            case FieldType.TextList:
                writer.WriteArrayHeader(2);
                writer.WriteString("a");
                writer.WriteString("b");
                break;
            case FieldType.Environment:
                writer.WriteMapHeader(1);
                writer.WriteString("A");
                writer.WriteString("b");
                break;
            case FieldType.TaskList:
                writer.WriteArrayHeader(1);
                writer.WriteMapHeader(0);
                break;
            default:
                writer.WriteString("text");
                break;
        }
    }
}
