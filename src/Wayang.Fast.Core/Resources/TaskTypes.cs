using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace Wayang.Fast.Core.Resources;

/// <summary>
/// The types of task that the node knows, at most <see cref="Capacity"/>: when there are more, a new one takes the place of
/// one that was not met for longest among a few looked at. Thread-safe.
/// </summary>
public sealed class TaskTypes(int capacity)
{
    private const uint Magic = 0x59545957; // "WYTY"
    private const uint Version = 1;
    private const int MaxNameBytes = 512;
    private const int HashAt = 12;
    private const int HeaderBytes = HashAt + SHA256.HashSizeInBytes;
    private const int Looks = 8;

    private readonly ConcurrentDictionary<TaskTypeKey, Entry> _types = new();
    private long _clock;

    public int Capacity { get; } = capacity;

    public int Count => _types.Count;

    /// <summary>The type of a key, made when it is new. For commands and targets that are resolved: not on the way of small calls.</summary>
    public TaskType Get(in TaskTypeKey key)
    {
        var now = Interlocked.Increment(ref _clock);
        if (!_types.TryGetValue(key, out var entry))
        {
            if (_types.Count >= Capacity)
            {
                Displace();
            }

            entry = _types.GetOrAdd(key, static k => new Entry(new TaskType(k)));
        }

        Volatile.Write(ref entry.Met, now);
        return entry.Type;
    }

    public bool TryFind(in TaskTypeKey key, [NotNullWhen(true)] out TaskType? type)
    {
        type = _types.TryGetValue(key, out var entry) ? entry.Type : null;
        return type is not null;
    }

    public IEnumerable<TaskType> All() => _types.Select(static pair => pair.Value.Type);

    /// <summary>All types as bytes that <see cref="Restore"/> takes: header, types, checksum.</summary>
    public byte[] Serialize()
    {
        using var stream = new MemoryStream();
        Span<byte> header = stackalloc byte[HeaderBytes];
        stream.Write(header);
        var count = 0;
        var sketch = new byte[QuantileSketch.SerializedBytes];
        foreach (var type in All())
        {
            WriteType(stream, type, sketch);
            count++;
        }

        var bytes = stream.GetBuffer().AsSpan(0, (int)stream.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[4..], Version);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[8..], count);
        SHA256.HashData(bytes[HeaderBytes..], bytes.Slice(HashAt, SHA256.HashSizeInBytes));
        return bytes.ToArray();
    }

    /// <summary>Takes what <see cref="Serialize"/> gave.</summary>
    /// <returns>Null, or what is wrong with the bytes: then nothing was taken.</returns>
    public string? Restore(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < HeaderBytes || BinaryPrimitives.ReadUInt32LittleEndian(bytes) != Magic)
        {
            return "it is no file of statistics";
        }

        if (BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]) != Version)
        {
            return "another version wrote it";
        }

        var count = BinaryPrimitives.ReadInt32LittleEndian(bytes[8..]);
        var rest = bytes[HeaderBytes..];
        if (!SHA256.HashData(rest).AsSpan().SequenceEqual(bytes.Slice(HashAt, SHA256.HashSizeInBytes)))
        {
            return "its checksum is wrong";
        }

        var types = new List<TaskType>();
        for (var i = 0; i < count && i < Capacity; i++)
        {
            if (ReadType(ref rest) is not { } type)
            {
                return $"its type number {i} is malformed";
            }

            types.Add(type);
        }

        foreach (var type in types)
        {
            _types[type.Key] = new Entry(type);
        }

        return null;
    }

    private static void WriteType(MemoryStream stream, TaskType type, byte[] sketch)
    {
        Span<byte> number = stackalloc byte[8];
        BinaryPrimitives.WriteInt32LittleEndian(number, type.Key.Tenant);
        BinaryPrimitives.WriteInt32LittleEndian(number[4..], type.OutOfMemory);
        stream.Write(number);
        BinaryPrimitives.WriteInt64LittleEndian(number, type.MemoryFloor);
        stream.Write(number);
        WriteName(stream, type.Key.Image);
        WriteName(stream, type.Key.Function);
        foreach (var part in (ReadOnlySpan<QuantileSketch>)[type.Run, type.Memory, type.Cpu])
        {
            part.Write(sketch);
            stream.Write(sketch);
        }
    }

    private static void WriteName(MemoryStream stream, string name)
    {
        var bytes = Encoding.UTF8.GetBytes(name);
        Span<byte> length = stackalloc byte[2];
        BinaryPrimitives.WriteUInt16LittleEndian(length, (ushort)Math.Min(bytes.Length, MaxNameBytes));
        stream.Write(length);
        stream.Write(bytes.AsSpan(0, Math.Min(bytes.Length, MaxNameBytes)));
    }

    private static TaskType? ReadType(ref ReadOnlySpan<byte> rest)
    {
        const int fixedBytes = 16;
        if (rest.Length < fixedBytes)
        {
            return null;
        }

        var tenant = BinaryPrimitives.ReadInt32LittleEndian(rest);
        var outOfMemory = BinaryPrimitives.ReadInt32LittleEndian(rest[4..]);
        var floor = BinaryPrimitives.ReadInt64LittleEndian(rest[8..]);
        rest = rest[fixedBytes..];
        if (ReadName(ref rest) is not { } image || ReadName(ref rest) is not { } function || floor < 0 || outOfMemory < 0)
        {
            return null;
        }

        var type = new TaskType(new TaskTypeKey(tenant, image, function));
        foreach (var part in (ReadOnlySpan<QuantileSketch>)[type.Run, type.Memory, type.Cpu])
        {
            if (!part.TryRead(rest))
            {
                return null;
            }

            rest = rest[QuantileSketch.SerializedBytes..];
        }

        type.Restore(floor, outOfMemory);
        return type;
    }

    private static string? ReadName(ref ReadOnlySpan<byte> rest)
    {
        if (rest.Length < 2)
        {
            return null;
        }

        var length = BinaryPrimitives.ReadUInt16LittleEndian(rest);
        if (length > MaxNameBytes || rest.Length < 2 + length)
        {
            return null;
        }

        var name = Encoding.UTF8.GetString(rest.Slice(2, length));
        rest = rest[(2 + length)..];
        return name;
    }

    private void Displace()
    {
        KeyValuePair<TaskTypeKey, Entry>? oldest = null;
        var looked = 0;
        foreach (var pair in _types)
        {
            if (oldest is null || Volatile.Read(ref pair.Value.Met) < Volatile.Read(ref oldest.Value.Value.Met))
            {
                oldest = pair;
            }

            if (++looked == Looks)
            {
                break;
            }
        }

        if (oldest is { } found)
        {
            _types.TryRemove(found.Key, out _);
        }
    }

    private sealed class Entry(TaskType type)
    {
        public long Met; // of the registry's clock

        public TaskType Type { get; } = type;
    }
}
