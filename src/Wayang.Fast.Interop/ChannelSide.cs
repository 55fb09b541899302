using Microsoft.Win32.SafeHandles;

namespace Wayang.Fast.Interop;

/// <summary>
/// A copy of one side of a channel. Of its pages it has those that were ever touched: most were not while few calls came, and one that was not is dear to map, to send and to write. Immutable.
/// </summary>
public sealed class ChannelSide
{
    public const int PageBytes = 4096;

    /// <param name="length">Bytes of the side.</param>
    /// <param name="runs">What is not empty: ascending, apart, each from a page's begin and within the side.</param>
    /// <exception cref="InvalidDataException">They are not so.</exception>
    public ChannelSide(int length, IReadOnlyList<(int Offset, ReadOnlyMemory<byte> Bytes)> runs)
    {
        ArgumentNullException.ThrowIfNull(runs);
        var end = 0;
        foreach (var (offset, bytes) in runs)
        {
            if (offset < end || offset % PageBytes != 0 || bytes.Length > length - offset)
            {
                throw new InvalidDataException($"{bytes.Length} bytes at {offset} are no run of pages behind {end} in a channel's side of {length} bytes");
            }

            end = offset + bytes.Length;
            Held += bytes.Length;
        }

        (Length, Runs) = (length, runs);
    }

    public int Length { get; }

    public IReadOnlyList<(int Offset, ReadOnlyMemory<byte> Bytes)> Runs { get; }

    /// <summary>Bytes of all runs.</summary>
    public long Held { get; }

    /// <summary>Copies the pages of a mapping that are not empty, for which it touches all.</summary>
    public static ChannelSide Of(ReadOnlySpan<byte> side)
    {
        var runs = new List<(int, ReadOnlyMemory<byte>)>();
        for (var at = 0; at < side.Length;)
        {
            var begin = at;
            while (at < side.Length && side.Slice(at, Math.Min(PageBytes, side.Length - at)).ContainsAnyExcept((byte)0))
            {
                at = Math.Min(side.Length, at + PageBytes);
            }

            if (at > begin)
            {
                runs.Add((begin, side[begin..at].ToArray()));
            }
            else
            {
                at = Math.Min(side.Length, at + PageBytes);
            }
        }

        return new ChannelSide(side.Length, runs);
    }

    /// <summary>Copies what was ever touched of a memory file.</summary>
    /// <param name="file">Stays the caller's.</param>
    /// <param name="length">Bytes of the side.</param>
    /// <exception cref="NativeException">It is none.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static ChannelSide Of(SafeFileHandle file, int length)
    {
        ArgumentNullException.ThrowIfNull(file);
        var runs = new List<(int, ReadOnlyMemory<byte>)>();
        for (long at = 0; at < length && Descriptors.NextData((int)file.DangerousGetHandle(), at) is var (begin, end) && begin < length; at = end)
        {
            var bytes = new byte[Math.Min(end, length) - begin];
            for (var read = 0; read < bytes.Length;)
            {
                read += RandomAccess.Read(file, bytes.AsSpan(read), begin + read) is > 0 and var count ? count : throw new EndOfStreamException();
            }

            runs.Add(((int)begin, bytes));
        }

        return new ChannelSide(length, runs);
    }
}
