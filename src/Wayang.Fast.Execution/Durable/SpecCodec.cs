using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Execution.Durable;

/// <summary>A spec as it stands in the ledger: a list of known length and order, the first its version.</summary>
internal static class SpecCodec
{
    private const int Version = 1;
    private const int Parts = 11;
    private const int TermParts = 9;
    private const int EarlierTermParts = 8; // without migration

    public static byte[] Encode(DurableSpec spec) => Packed.ToArray((ref MessagePackWriter writer) =>
    {
        writer.WriteArrayHeader(Parts);
        writer.WriteInt64(Version);
        writer.WriteInt64((int)spec.Kind);
        writer.WriteString(spec.Image);
        writer.WriteString(spec.Function);
        writer.WriteString(spec.Profile);
        writer.WriteInt64((int)spec.Reuse);
        writer.WriteInt64(spec.Level);
        writer.WriteInt64(spec.TimeoutMs);
        writer.WriteBinary(spec.Data.Span);
        if (spec.Command is { } command)
        {
            writer.WriteArrayHeader(3);
            Packed.Texts(ref writer, command.Arguments);
            Packed.Texts(ref writer, command.Environment);
            Packed.Optional(ref writer, command.WorkingDirectory);
        }
        else
        {
            writer.WriteNil();
        }

        WriteTerms(ref writer, spec.Terms);
    });

    /// <exception cref="InvalidDataException">It is no spec of ours.</exception>
    public static DurableSpec Decode(byte[] bytes)
    {
        var reader = new MessagePackReader(bytes);
        Packed.Expect(ref reader, Parts);
        if (Packed.Number(ref reader) != Version)
        {
            throw Packed.Malformed();
        }

        return new DurableSpec((TaskKind)Packed.Number(ref reader))
        {
            Image = Packed.Text(ref reader),
            Function = Packed.Text(ref reader),
            Profile = Packed.Text(ref reader),
            Reuse = (WorkerReuse)Packed.Number(ref reader),
            Level = (byte)Packed.Number(ref reader),
            TimeoutMs = (uint)Packed.Number(ref reader),
            Data = Packed.Bytes(ref reader),
            Command = ReadCommand(ref reader),
            Terms = ReadTerms(ref reader),
        };
    }

    private static CommandLine? ReadCommand(ref MessagePackReader reader)
    {
        if (reader.TryReadNil())
        {
            return null;
        }

        Packed.Expect(ref reader, 3);
        return new CommandLine(Packed.Texts(ref reader), Packed.Texts(ref reader), Packed.OptionalText(ref reader));
    }

    private static void WriteTerms(ref MessagePackWriter writer, TaskTerms terms)
    {
        writer.WriteArrayHeader(TermParts);
        WriteLimits(ref writer, terms.Limits);
        WriteRetry(ref writer, terms.Retry);
        Packed.Optional(ref writer, terms.Deadline?.ToUnixTimeMilliseconds());
        Packed.Optional(ref writer, terms.Group);
        writer.WriteArrayHeader(terms.Inputs.Count);
        foreach (var input in terms.Inputs)
        {
            writer.WriteArrayHeader(3);
            writer.WriteString(input.Path);
            writer.WriteInt64(input.Mode);
            writer.WriteBinary(input.Content.Span);
        }

        if (terms.Artifacts is { } artifacts)
        {
            writer.WriteArrayHeader(2);
            writer.WriteInt64(artifacts.MaxFiles);
            writer.WriteInt64(artifacts.MaxBytes);
        }
        else
        {
            writer.WriteNil();
        }

        writer.WriteBoolean(terms.Pure);
        Packed.Texts(ref writer, terms.Grants?.Connect.Select(static c => c.ToString()!).ToArray() ?? []);
        writer.WriteInt64((int)terms.Migration);
    }

    private static TaskTerms ReadTerms(ref MessagePackReader reader)
    {
        var parts = Packed.Count(ref reader);
        if (parts is not (TermParts or EarlierTermParts))
        {
            throw Packed.Malformed();
        }

        var terms = new TaskTerms
        {
            Durable = true,
            Limits = ReadLimits(ref reader),
            Retry = ReadRetry(ref reader),
            Deadline = Packed.OptionalNumber(ref reader) is { } at ? DateTimeOffset.FromUnixTimeMilliseconds(at) : null,
            Group = Packed.OptionalText(ref reader),
        };
        var inputs = new InputFile[Packed.Bounded(ref reader)];
        for (var i = 0; i < inputs.Length; i++)
        {
            Packed.Expect(ref reader, 3);
            inputs[i] = new InputFile(Packed.Text(ref reader), (int)Packed.Number(ref reader), new FileContent(Packed.Bytes(ref reader)));
        }

        ArtifactBounds? artifacts = null;
        if (!reader.TryReadNil())
        {
            Packed.Expect(ref reader, 2);
            artifacts = new ArtifactBounds((int)Packed.Number(ref reader), Packed.Number(ref reader));
        }

        terms = terms with { Inputs = inputs, Artifacts = artifacts, Pure = Packed.Flag(ref reader) };
        var grants = Packed.Texts(ref reader);
        terms = grants.Length == 0 ? terms : terms with { Grants = TaskGrants.TryMake(grants, out _) ?? throw Packed.Malformed() };
        return parts == EarlierTermParts ? terms : terms with { Migration = (TaskMigration)Packed.Number(ref reader) };
    }

    private static void WriteLimits(ref MessagePackWriter writer, TaskLimits? limits)
    {
        if (limits is null)
        {
            writer.WriteNil();
            return;
        }

        var asked = limits.Asked().ToArray();
        writer.WriteArrayHeader(asked.Length * 2);
        foreach (var (name, value) in asked)
        {
            writer.WriteString(name);
            writer.WriteInt64(value);
        }
    }

    private static TaskLimits? ReadLimits(ref MessagePackReader reader)
    {
        if (reader.TryReadNil())
        {
            return null;
        }

        var values = new Dictionary<string, long>(StringComparer.Ordinal);
        for (var left = Packed.Bounded(ref reader); left > 0; left -= 2)
        {
            values[Packed.Text(ref reader)] = Packed.Number(ref reader);
        }

        return TaskLimits.Of(values);
    }

    private static void WriteRetry(ref MessagePackWriter writer, RetryTerms? retry)
    {
        if (retry is null)
        {
            writer.WriteNil();
            return;
        }

        writer.WriteArrayHeader(6);
        writer.WriteInt64(retry.MaxAttempts);
        writer.WriteInt64((long)retry.Backoff.TotalMilliseconds);
        writer.WriteInt64((long)retry.MaxBackoff.TotalMilliseconds);
        writer.WriteInt64(retry.MultiplierPercent);
        writer.WriteInt64(retry.JitterPercent);
        writer.WriteInt64(retry.On);
    }

    private static RetryTerms? ReadRetry(ref MessagePackReader reader)
    {
        if (reader.TryReadNil())
        {
            return null;
        }

        Packed.Expect(ref reader, 6);
        return new RetryTerms(
            (int)Packed.Number(ref reader), TimeSpan.FromMilliseconds(Packed.Number(ref reader)), TimeSpan.FromMilliseconds(Packed.Number(ref reader)),
            (int)Packed.Number(ref reader), (int)Packed.Number(ref reader), (uint)Packed.Number(ref reader));
    }
}
