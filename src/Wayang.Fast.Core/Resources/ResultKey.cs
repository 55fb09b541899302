using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Wayang.Fast.Core.Resources;

/// <summary>SHA-256 of all that the result of a pure task depends on.</summary>
public sealed record ResultKey(ulong A, ulong B, ulong C, ulong D);

/// <summary>
/// Puts a <see cref="ResultKey"/> together. Every part is written with its length, and a list with its count, so that no two
/// different tasks make the same bytes. Not thread-safe.
/// </summary>
public sealed class ResultKeyBuilder : IDisposable
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    public void Add(ReadOnlySpan<byte> part)
    {
        Add(part.Length);
        _hash.AppendData(part);
    }

    public void Add(string text) => Add(Encoding.UTF8.GetBytes(text));

    public void Add(IReadOnlyCollection<string> texts)
    {
        ArgumentNullException.ThrowIfNull(texts);
        Add(texts.Count);
        foreach (var text in texts)
        {
            Add(text);
        }
    }

    public void Add(long number)
    {
        Span<byte> bytes = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, number);
        _hash.AppendData(bytes);
    }

    public ResultKey Build()
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        _hash.GetHashAndReset(hash);
        return new ResultKey(
            BinaryPrimitives.ReadUInt64LittleEndian(hash),
            BinaryPrimitives.ReadUInt64LittleEndian(hash[8..]),
            BinaryPrimitives.ReadUInt64LittleEndian(hash[16..]),
            BinaryPrimitives.ReadUInt64LittleEndian(hash[24..]));
    }

    public void Dispose() => _hash.Dispose();
}
