using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Wayang.Fast.Core.Sizing;

/// <summary>What a rhythm is kept under over a restart.</summary>
/// <param name="Tenant">Whose pool it is.</param>
/// <param name="Image">Its hash.</param>
/// <param name="Profile">Under which its workers run.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct RhythmKey(int Tenant, string Image, string Profile);

/// <summary>
/// The rhythms of the node's pools, at most <see cref="Capacity"/>; a pool beyond that has one that is not kept. Those under which nothing was
/// learned are not written. Thread-safe.
/// </summary>
public sealed class HourRhythms(int capacity)
{
    private const uint Magic = 0x48525957; // "WYRH"
    private const uint Version = 1;
    private const int MaxNameBytes = 512;
    private const int HashAt = 12;
    private const int HeaderBytes = HashAt + SHA256.HashSizeInBytes;

    private readonly ConcurrentDictionary<RhythmKey, HourRhythm> _rhythms = new();

    public int Capacity { get; } = capacity;

    public int Count => _rhythms.Count;

    /// <summary>The rhythm of a key: the one that is known, or a new one.</summary>
    public HourRhythm Get(in RhythmKey key) =>
        _rhythms.TryGetValue(key, out var known) ? known
        : _rhythms.Count >= Capacity || !Fits(key.Image) || !Fits(key.Profile) ? new HourRhythm()
        : _rhythms.GetOrAdd(key, static _ => new HourRhythm());

    /// <summary>All that was learned, as bytes that <see cref="Restore"/> takes: header, rhythms, checksum.</summary>
    public byte[] Serialize()
    {
        using var stream = new MemoryStream();
        Span<byte> header = stackalloc byte[HeaderBytes];
        stream.Write(header);
        Span<byte> number = stackalloc byte[4];
        Span<byte> cells = stackalloc byte[HourRhythm.SerializedBytes];
        var count = 0;
        foreach (var (key, rhythm) in _rhythms)
        {
            if (!rhythm.IsKnown)
            {
                continue;
            }

            BinaryPrimitives.WriteInt32LittleEndian(number, key.Tenant);
            stream.Write(number);
            WriteName(stream, key.Image);
            WriteName(stream, key.Profile);
            rhythm.Write(cells);
            stream.Write(cells);
            count++;
        }

        var bytes = stream.ToArray();
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(4), Version);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(8), count);
        SHA256.HashData(bytes.AsSpan(HeaderBytes), bytes.AsSpan(HashAt, SHA256.HashSizeInBytes));
        return bytes;
    }

    /// <summary>Takes what <see cref="Serialize"/> gave.</summary>
    /// <returns>Null, or what is wrong with the bytes: then nothing was taken.</returns>
    public string? Restore(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < HeaderBytes || BinaryPrimitives.ReadUInt32LittleEndian(bytes) != Magic)
        {
            return "it is no file of rhythms";
        }

        if (BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]) != Version)
        {
            return "another version wrote it";
        }

        var rest = bytes[HeaderBytes..];
        if (!SHA256.HashData(rest).AsSpan().SequenceEqual(bytes.Slice(HashAt, SHA256.HashSizeInBytes)))
        {
            return "its checksum is wrong";
        }

        var count = BinaryPrimitives.ReadInt32LittleEndian(bytes[8..]);
        var read = new List<(RhythmKey Key, HourRhythm Rhythm)>();
        for (var i = 0; i < count && i < Capacity; i++)
        {
            if (ReadOne(ref rest) is not { } one)
            {
                return $"its rhythm number {i} is malformed";
            }

            read.Add(one);
        }

        foreach (var (key, rhythm) in read)
        {
            _rhythms.GetOrAdd(key, rhythm).CopyFrom(rhythm); // a pool may have been opened with it meanwhile
        }

        return null;
    }

    private static bool Fits(string name) => Encoding.UTF8.GetByteCount(name) <= MaxNameBytes;

    private static void WriteName(MemoryStream stream, string name)
    {
        var bytes = Encoding.UTF8.GetBytes(name);
        Span<byte> length = stackalloc byte[2];
        BinaryPrimitives.WriteUInt16LittleEndian(length, (ushort)bytes.Length);
        stream.Write(length);
        stream.Write(bytes);
    }

    private static (RhythmKey Key, HourRhythm Rhythm)? ReadOne(ref ReadOnlySpan<byte> rest)
    {
        if (rest.Length < 4)
        {
            return null;
        }

        var tenant = BinaryPrimitives.ReadInt32LittleEndian(rest);
        rest = rest[4..];
        var rhythm = new HourRhythm();
        if (ReadName(ref rest) is not { } image || ReadName(ref rest) is not { } profile || !rhythm.TryRead(rest))
        {
            return null;
        }

        rest = rest[HourRhythm.SerializedBytes..];
        return (new RhythmKey(tenant, image, profile), rhythm);
    }

    private static string? ReadName(ref ReadOnlySpan<byte> rest)
    {
        var length = rest.Length < 2 ? int.MaxValue : BinaryPrimitives.ReadUInt16LittleEndian(rest);
        if (length > MaxNameBytes || rest.Length < 2 + length)
        {
            return null;
        }

        var name = Encoding.UTF8.GetString(rest.Slice(2, length));
        rest = rest[(2 + length)..];
        return name;
    }
}
