using System.Buffers;

namespace Wayang.Fast.Contracts.MessagePack;

/// <summary>
/// A growable byte buffer over the shared array pool. Not thread-safe. It never shrinks by itself: <see cref="Trim"/>
/// gives a large array back, so that one big reply does not pin its memory to an idle connection.
/// </summary>
public sealed class PooledBuffer(int initialBytes) : IBufferWriter<byte>, IDisposable
{
    private byte[] _bytes = ArrayPool<byte>.Shared.Rent(initialBytes);

    /// <summary>Bytes written and kept.</summary>
    public int Count { get; private set; }

    public int Capacity => _bytes.Length;

    public ReadOnlySpan<byte> WrittenSpan => _bytes.AsSpan(0, Count);

    public ReadOnlyMemory<byte> WrittenMemory => _bytes.AsMemory(0, Count);

    public void Advance(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, _bytes.Length - Count);
        Count += count;
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(Math.Max(sizeHint, 1));
        return _bytes.AsSpan(Count);
    }

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(Math.Max(sizeHint, 1));
        return _bytes.AsMemory(Count);
    }

    public void Clear() => Count = 0;

    /// <summary>Takes back what was written after <paramref name="count"/>.</summary>
    public void Truncate(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Count);
        Count = count;
    }

    /// <summary>Writes over bytes that were written before: what is known only now.</summary>
    public void Overwrite(int position, ReadOnlySpan<byte> bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(position, Count - bytes.Length);
        bytes.CopyTo(_bytes.AsSpan(position));
    }

    /// <summary>Writes zeros over all of it: it held secrets.</summary>
    public void Wipe() => _bytes.AsSpan(0, Count).Clear();

    /// <summary>Drops the first bytes and moves the rest to the front.</summary>
    public void Consume(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Count);
        _bytes.AsSpan(count, Count - count).CopyTo(_bytes);
        Count -= count;
    }

    /// <summary>When the buffer is larger than that and its content fits: exchanges it for a smaller one.</summary>
    public void Trim(int bytes)
    {
        if (_bytes.Length > 2 * bytes && Count <= bytes)
        {
            Replace(ArrayPool<byte>.Shared.Rent(bytes));
        }
    }

    public void Dispose()
    {
        var bytes = _bytes;
        _bytes = [];
        Count = 0;
        if (bytes.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    private void Reserve(int bytes)
    {
        if (_bytes.Length - Count < bytes)
        {
            var needed = (long)Count + bytes;
            if (needed > Array.MaxLength)
            {
                throw new InvalidOperationException("A buffer cannot grow over 2 GiB.");
            }

            Replace(ArrayPool<byte>.Shared.Rent((int)Math.Min(Math.Max(needed, 2L * _bytes.Length), Array.MaxLength)));
        }
    }

    private void Replace(byte[] larger)
    {
        _bytes.AsSpan(0, Count).CopyTo(larger);
        if (_bytes.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_bytes);
        }

        _bytes = larger;
    }
}
