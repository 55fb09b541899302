using System.Buffers;

namespace Wayang.Fast.Core.Ports;

/// <summary>
/// Bytes of a file that a task brings. Large ones stand in arrays that are lent and given back at the task's end: each made anew counts for the collector's
/// oldest generation, and a tenant's uploads had that collected, all threads stopped for 130 ms, every few seconds. Counted: its task holds it, and so does whoever copies
/// it meanwhile. Any thread. One that is never let go of is the collector's.
/// </summary>
public sealed class FileContent
{
    // What the collector has no large heap for.
    private const int SmallBytes = 64 << 10;

    private readonly byte[] _bytes;

    // SYNC POINT: nobody takes hold of one that was let go of; an interlocked exchange each.
    private int _holders = 1;

    /// <summary>A copy of <paramref name="bytes"/>, held by the caller.</summary>
    public FileContent(ReadOnlySpan<byte> bytes)
    {
        Length = bytes.Length;
        _bytes = Length <= SmallBytes ? new byte[Length] : ArrayPool<byte>.Shared.Rent(Length);
        bytes.CopyTo(_bytes);
    }

    public int Length { get; }

    /// <summary>For who holds it.</summary>
    public ReadOnlySpan<byte> Span => _bytes.AsSpan(0, Length);

    /// <summary>Copies all of it to the beginning of <paramref name="destination"/>.</summary>
    /// <returns>False: nobody holds it any more, and nothing was copied.</returns>
    public bool TryCopyTo(Span<byte> destination)
    {
        var holders = Volatile.Read(ref _holders);
        while (holders > 0)
        {
            var seen = Interlocked.CompareExchange(ref _holders, holders + 1, holders);
            if (seen == holders)
            {
                Span.CopyTo(destination);
                Release();
                return true;
            }

            holders = seen;
        }

        return false;
    }

    /// <summary>Lets go. Once for each holder.</summary>
    public void Release()
    {
        if (Interlocked.Decrement(ref _holders) == 0 && Length > SmallBytes)
        {
            ArrayPool<byte>.Shared.Return(_bytes);
        }
    }
}
