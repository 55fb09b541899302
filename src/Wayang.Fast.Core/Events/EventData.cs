using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Core.Events;

/// <summary>Writes what is to be said of an event.</summary>
/// <param name="writer">Stands where the map begins.</param>
public delegate void EventDataWriter(ref MessagePackWriter writer);

/// <summary>The same of a value that is handed on, so that no closure is made.</summary>
/// <param name="writer">Stands where the map begins.</param>
/// <param name="of">What it is said of.</param>
internal delegate void EventDataWriter<T>(ref MessagePackWriter writer, in T of);

/// <summary>Makes the data of events: maps whose keys are those of the message EventData of the proto files.</summary>
public static class EventData
{
    private const int UsualBytes = 256;

    public static byte[] Nothing { get; } = [0x80];

    public static byte[] Write(EventDataWriter write)
    {
        ArgumentNullException.ThrowIfNull(write);
        return Write(write, static (ref writer, in wanted) => wanted(ref writer));
    }

    internal static byte[] Write<T>(in T of, EventDataWriter<T> write)
    {
        using var buffer = new PooledBuffer(UsualBytes);
        var writer = new MessagePackWriter(buffer);
        write(ref writer, of);
        writer.Commit();
        return buffer.WrittenSpan.ToArray();
    }

    public static byte[] Number(string key, long value) => Write((ref writer) =>
    {
        writer.WriteMapHeader(1);
        Number(ref writer, key, value);
    });

    public static byte[] Text(string key, string value) => Write((ref writer) =>
    {
        writer.WriteMapHeader(1);
        Text(ref writer, key, value);
    });

    /// <summary>Numbers that a reader is missing.</summary>
    public static byte[] Gap(long from, long to, string reason) => Write((ref writer) =>
    {
        writer.WriteMapHeader(3);
        Number(ref writer, "from", from);
        Number(ref writer, "to", to);
        Text(ref writer, "reason", reason);
    });

    public static byte[] Peer(string peer, string reason) => Write((ref writer) =>
    {
        writer.WriteMapHeader(reason.Length > 0 ? 2 : 1);
        Text(ref writer, "peer", peer);
        if (reason.Length > 0)
        {
            Text(ref writer, "reason", reason);
        }
    });

    public static byte[] Incident(string pool, string reason, TimeSpan duration) => Write((ref writer) =>
    {
        writer.WriteMapHeader(3);
        Text(ref writer, "pool", pool);
        Text(ref writer, "reason", reason);
        Number(ref writer, "duration_us", (long)duration.TotalMicroseconds);
    });

    /// <summary>Of an attempt of a task.</summary>
    /// <param name="attempt">Which.</param>
    /// <param name="group">Of the task; null: none.</param>
    /// <param name="savedBytes">What it begins from; 0: it begins at its beginning.</param>
    public static byte[] Attempt(int attempt, string? group, long savedBytes = 0) => Write((ref writer) =>
    {
        writer.WriteMapHeader((group is null ? 1 : 2) + (savedBytes == 0 ? 0 : 1));
        Number(ref writer, "attempt", attempt);
        if (savedBytes != 0)
        {
            Number(ref writer, "saved_bytes", savedBytes);
        }

        Group(ref writer, group);
    });

    /// <summary>Of a state that a task saved.</summary>
    public static byte[] Saved(long bytes, string? group) => Write((ref writer) =>
    {
        writer.WriteMapHeader(group is null ? 1 : 2);
        Number(ref writer, "bytes", bytes);
        Group(ref writer, group);
    });

    /// <summary>The key by which tasks of a group are found; null: it is in none, and nothing is written.</summary>
    public static void Group(ref MessagePackWriter writer, string? group)
    {
        if (group is not null)
        {
            Text(ref writer, "group", group);
        }
    }

    /// <summary>Whether that is said of a task of the group.</summary>
    public static bool IsOfGroup(ReadOnlySpan<byte> data, ReadOnlySpan<byte> group)
    {
        var reader = new MessagePackReader(data);
        reader.TryReadMapHeader(out var pairs);
        for (; pairs > 0 && reader.TryReadStringOrBinary(out var key); pairs--)
        {
            if (key.SequenceEqual("group"u8))
            {
                return reader.TryReadStringOrBinary(out var value) && value.SequenceEqual(group);
            }

            if (!reader.TrySkip())
            {
                return false;
            }
        }

        return false;
    }

    public static void Number(ref MessagePackWriter writer, string key, long value)
    {
        writer.WriteString(key);
        writer.WriteInt64(value);
    }

    public static void Flag(ref MessagePackWriter writer, string key, bool value)
    {
        writer.WriteString(key);
        writer.WriteBoolean(value);
    }

    public static void Text(ref MessagePackWriter writer, string key, string value)
    {
        writer.WriteString(key);
        writer.WriteString(value);
    }

    /// <summary>As in results; a traceback stays with the task.</summary>
    public static void Cause(ref MessagePackWriter writer, in TaskCause cause)
    {
        writer.WriteString("cause"u8);
        CauseFields.Write(ref writer, cause, traceback: false);
    }
}
