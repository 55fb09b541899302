using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Client;

/// <summary>Writes the terms of a task, after its other keys and in the order of the operation table.</summary>
internal static class TermEncoders
{
    /// <summary>How many keys <see cref="Write"/> writes.</summary>
    public static int Count(TaskSpec spec) =>
        (spec.Limits is not null ? 1 : 0) + LifeEncoders.Count(spec) + FileEncoders.Count(spec) + (spec.Pure ? 1 : 0) + (spec.Durable is null ? 0 : 1)
        + (spec.GrantedConnections.Count > 0 ? 1 : 0) + (spec.Migration is null ? 0 : 1);

    public static void Write(ref MessagePackWriter writer, TaskSpec spec)
    {
        if (spec.Limits is { } limits)
        {
            WriteLimits(ref writer, limits);
        }

        LifeEncoders.Write(ref writer, spec);
        FileEncoders.Write(ref writer, spec);
        if (spec.Pure)
        {
            writer.WriteString("pure"u8);
            writer.WriteBoolean(true);
        }

        if (spec.GrantedConnections.Count > 0)
        {
            WriteGrants(ref writer, spec.GrantedConnections);
        }

        if (spec.Durable is { } durable)
        {
            writer.WriteString("durable"u8);
            writer.WriteBoolean(durable);
        }

        if (spec.Migration is { } migration)
        {
            writer.WriteString("migration"u8);
            writer.WriteString(WireNames.Text(migration));
        }
    }

    private static void WriteGrants(ref MessagePackWriter writer, IReadOnlyList<string> destinations)
    {
        writer.WriteString("grants"u8);
        writer.WriteMapHeader(1);
        writer.WriteString("connect"u8);
        writer.WriteArrayHeader(destinations.Count);
        foreach (var destination in destinations)
        {
            writer.WriteString(destination);
        }
    }

    private static void WriteLimits(ref MessagePackWriter writer, TaskLimits limits)
    {
        var asked = limits.Asked().ToList();
        writer.WriteString("limits"u8);
        writer.WriteMapHeader(asked.Count);
        foreach (var (name, value) in asked)
        {
            writer.WriteString(name);
            writer.WriteInt64(value);
        }
    }
}
