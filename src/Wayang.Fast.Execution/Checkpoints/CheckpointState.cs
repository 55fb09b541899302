using System.Text;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Checkpoints;

/// <summary>What belongs to a call that was written down, beside its worker's memory: whose it is, and its channel as both sides left it.</summary>
internal sealed record CheckpointState(TaskId Task, string Image, string Profile, string Function)
{
    private const uint Version = 3;
    private const int MaxCursors = 1 << 16;
    private const int MaxSide = 80 << 20;
    private const int MaxRuns = MaxSide / ChannelSide.PageBytes;

    /// <summary>The one in flight: its index and generation are the worker's memory's, too.</summary>
    public uint Ticket { get; init; }

    /// <summary>Of its timeout; null: it has none.</summary>
    public long? TimeLeftMs { get; init; }

    public required int Concurrency { get; init; }

    public required ChannelGeometry Geometry { get; init; }

    public required ulong[] WriterCursors { get; init; }

    public required ulong[] ReaderCursors { get; init; }

    public required ChannelSide DaemonSide { get; init; }

    public required ChannelSide WorkerSide { get; init; }

    public bool IsOf(TaskId task, string image, string profile) => Task == task && Image == image && Profile == profile;

    public byte[] Encode()
    {
        using var memory = new MemoryStream();
        using var writer = new BinaryWriter(memory, Encoding.UTF8);
        writer.Write(Version);
        writer.Write(Task.High);
        writer.Write(Task.Low);
        writer.Write(Image);
        writer.Write(Profile);
        writer.Write(Function);
        writer.Write(Ticket);
        writer.Write(TimeLeftMs ?? -1);
        writer.Write(Concurrency);
        writer.Write(Geometry.RequestSlots);
        writer.Write(Geometry.RequestArenaBytes);
        writer.Write(Geometry.CompletionSlots);
        writer.Write(Geometry.CompletionArenaBytes);
        writer.Write(Geometry.WorkerSpin);
        writer.Write(Geometry.MaxPayload);
        writer.Write(Geometry.Epoch);
        Numbers(writer, WriterCursors);
        Numbers(writer, ReaderCursors);
        Side(writer, DaemonSide);
        Side(writer, WorkerSide);
        writer.Flush();
        return memory.ToArray();
    }

    /// <exception cref="InvalidDataException">It is none of this version.</exception>
    public static CheckpointState Decode(byte[] encoded)
    {
        try
        {
            using var reader = new BinaryReader(new MemoryStream(encoded), Encoding.UTF8);
            var version = reader.ReadUInt32();
            return version == Version ? Read(reader) : throw new InvalidDataException($"the checkpoint is of version {version}, this program reads {Version}");
        }
        catch (Exception failure) when (failure is EndOfStreamException or FormatException or ArgumentException)
        {
            throw new InvalidDataException("the checkpoint's description is damaged", failure);
        }
    }

    private static CheckpointState Read(BinaryReader reader)
    {
        var task = new TaskId(reader.ReadUInt64(), reader.ReadUInt64());
        var (image, profile, function) = (reader.ReadString(), reader.ReadString(), reader.ReadString());
        var (ticket, left, concurrency) = (reader.ReadUInt32(), reader.ReadInt64(), reader.ReadInt32());
        if ((ticket & 0xFF) >= concurrency || ticket >> 8 == 0 || concurrency is < 1 or > ChannelLayout.MaxInFlight)
        {
            throw new InvalidDataException("the checkpoint's ticket is none");
        }

        return new CheckpointState(task, image, profile, function)
        {
            Ticket = ticket,
            TimeLeftMs = left < 0 ? null : left,
            Concurrency = concurrency,
            Geometry = new ChannelGeometry
            {
                RequestSlots = reader.ReadInt32(),
                RequestArenaBytes = reader.ReadInt32(),
                CompletionSlots = reader.ReadInt32(),
                CompletionArenaBytes = reader.ReadInt32(),
                WorkerSpin = reader.ReadInt32(),
                MaxPayload = reader.ReadInt64(),
                Epoch = reader.ReadUInt64(),
            },
            WriterCursors = Numbers(reader),
            ReaderCursors = Numbers(reader),
            DaemonSide = Side(reader),
            WorkerSide = Side(reader),
        };
    }

    private static void Numbers(BinaryWriter writer, ulong[] numbers)
    {
        writer.Write(numbers.Length);
        foreach (var number in numbers)
        {
            writer.Write(number);
        }
    }

    private static ulong[] Numbers(BinaryReader reader)
    {
        var numbers = new ulong[Bounded(reader.ReadInt32(), MaxCursors)];
        for (var i = 0; i < numbers.Length; i++)
        {
            numbers[i] = reader.ReadUInt64();
        }

        return numbers;
    }

    private static void Side(BinaryWriter writer, ChannelSide side)
    {
        writer.Write(side.Length);
        writer.Write(side.Runs.Count);
        foreach (var (offset, bytes) in side.Runs)
        {
            writer.Write(offset);
            writer.Write(bytes.Length);
            writer.Write(bytes.Span);
        }
    }

    private static ChannelSide Side(BinaryReader reader)
    {
        var length = Bounded(reader.ReadInt32(), MaxSide);
        var runs = new List<(int, ReadOnlyMemory<byte>)>();
        for (var left = Bounded(reader.ReadInt32(), MaxRuns); left > 0; left--)
        {
            var (offset, count) = (reader.ReadInt32(), Bounded(reader.ReadInt32(), length));
            var bytes = reader.ReadBytes(count);
            runs.Add(bytes.Length == count ? (offset, bytes) : throw new EndOfStreamException());
        }

        return new ChannelSide(length, runs);
    }

    private static int Bounded(int length, int most) =>
        length >= 0 && length <= most ? length : throw new InvalidDataException($"the checkpoint's description names {length} parts; the bound is {most}");
}
