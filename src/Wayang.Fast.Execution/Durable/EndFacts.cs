using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Execution.Durable;

/// <summary>What is remembered of an end beside its streams.</summary>
internal sealed record EndFacts(TaskKind Kind)
{
    private const int Version = 1;
    private const int Parts = 24;

    public byte Level { get; init; }

    public string Image { get; init; } = string.Empty;

    public string Function { get; init; } = string.Empty;

    public TaskCause Cause { get; init; }

    public long QueueMicroseconds { get; init; }

    public long StartMicroseconds { get; init; }

    public long RunMicroseconds { get; init; }

    public ulong PeakMemoryBytes { get; init; }

    public ulong CpuMicroseconds { get; init; }

    public long StdoutDropped { get; init; }

    public long StderrDropped { get; init; }

    public long LogDropped { get; init; }

    public bool FromCache { get; init; }

    public TaskLifeFacts Life { get; init; } = new();

    public IReadOnlyList<string> Grants { get; init; } = [];

    public byte[] Encode() => Packed.ToArray((ref MessagePackWriter writer) =>
    {
        writer.WriteArrayHeader(Parts);
        writer.WriteInt64(Version);
        writer.WriteInt64((int)Kind);
        writer.WriteInt64(Level);
        writer.WriteString(Image);
        writer.WriteString(Function);
        writer.WriteInt64((int)Cause.Type);
        writer.WriteInt64(Cause.Value);
        Packed.Optional(ref writer, Cause.Detail);
        Packed.Optional(ref writer, Cause.Traceback);
        writer.WriteInt64(QueueMicroseconds);
        writer.WriteInt64(StartMicroseconds);
        writer.WriteInt64(RunMicroseconds);
        writer.WriteInt64((long)PeakMemoryBytes);
        writer.WriteInt64((long)CpuMicroseconds);
        writer.WriteInt64(StdoutDropped);
        writer.WriteInt64(StderrDropped);
        writer.WriteInt64(LogDropped);
        writer.WriteBoolean(FromCache);
        writer.WriteInt64(Life.Attempt);
        writer.WriteInt64(Life.MaxAttempts);
        Packed.Optional(ref writer, Life.Deadline?.ToUnixTimeMilliseconds());
        Packed.Optional(ref writer, Life.Group);
        Packed.Texts(ref writer, Grants);
        writer.WriteArrayHeader(Life.Attempts.Count);
        foreach (var attempt in Life.Attempts)
        {
            writer.WriteArrayHeader(6);
            writer.WriteInt64(attempt.Attempt);
            writer.WriteInt64((int)attempt.State);
            writer.WriteInt64((int)attempt.Cause.Type);
            writer.WriteInt64(attempt.Cause.Value);
            Packed.Optional(ref writer, attempt.Cause.Detail);
            writer.WriteInt64(attempt.RunMicroseconds);
        }
    });

    /// <exception cref="InvalidDataException">They are not ours.</exception>
    public static EndFacts Decode(byte[] bytes)
    {
        var reader = new MessagePackReader(bytes);
        Packed.Expect(ref reader, Parts);
        if (Packed.Number(ref reader) != Version)
        {
            throw Packed.Malformed();
        }

        var facts = new EndFacts((TaskKind)Packed.Number(ref reader))
        {
            Level = (byte)Packed.Number(ref reader),
            Image = Packed.Text(ref reader),
            Function = Packed.Text(ref reader),
            Cause = new TaskCause(
                (CauseType)Packed.Number(ref reader), (int)Packed.Number(ref reader), Packed.OptionalText(ref reader), Packed.OptionalText(ref reader)),
            QueueMicroseconds = Packed.Number(ref reader),
            StartMicroseconds = Packed.Number(ref reader),
            RunMicroseconds = Packed.Number(ref reader),
            PeakMemoryBytes = (ulong)Packed.Number(ref reader),
            CpuMicroseconds = (ulong)Packed.Number(ref reader),
            StdoutDropped = Packed.Number(ref reader),
            StderrDropped = Packed.Number(ref reader),
            LogDropped = Packed.Number(ref reader),
            FromCache = Packed.Flag(ref reader),
        };
        var life = new TaskLifeFacts
        {
            Durable = true,
            Attempt = (int)Packed.Number(ref reader),
            MaxAttempts = (int)Packed.Number(ref reader),
            Deadline = Packed.OptionalNumber(ref reader) is { } at ? DateTimeOffset.FromUnixTimeMilliseconds(at) : null,
            Group = Packed.OptionalText(ref reader),
        };
        var grants = Packed.Texts(ref reader);
        var attempts = new TaskAttempt[Packed.Bounded(ref reader)];
        for (var i = 0; i < attempts.Length; i++)
        {
            Packed.Expect(ref reader, 6);
            attempts[i] = new TaskAttempt(
                (int)Packed.Number(ref reader), (TaskState)Packed.Number(ref reader),
                new TaskCause((CauseType)Packed.Number(ref reader), (int)Packed.Number(ref reader), Packed.OptionalText(ref reader)),
                Packed.Number(ref reader));
        }

        return facts with { Grants = grants, Life = life with { Attempts = attempts } };
    }
}
