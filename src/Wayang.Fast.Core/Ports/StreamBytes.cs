using Wayang.Fast.Core.Lifecycle;

namespace Wayang.Fast.Core.Ports;

/// <summary>
/// What an ended task has said or answered, wherever it stands: in one piece, or in the blocks of its record. As long as its <see cref="ITaskView"/> is
/// valid; nothing is copied before somebody asks for it.
/// </summary>
public readonly ref struct StreamBytes
{
    private readonly ReadOnlySpan<byte> _piece;
    private readonly StreamBuffer? _blocks;

    /// <summary>Bytes in one piece.</summary>
    public StreamBytes(ReadOnlySpan<byte> piece)
    {
        _piece = piece;
        Length = piece.Length;
    }

    /// <summary>The stream of a record that its reader holds and nobody writes.</summary>
    public StreamBytes(StreamBuffer blocks)
    {
        ArgumentNullException.ThrowIfNull(blocks);
        _blocks = blocks;
        Length = blocks.Length;
    }

    public int Length { get; }

    public bool IsEmpty => Length == 0;

    /// <summary>Copies the first bytes, as many as <paramref name="destination"/> has.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There are fewer.</exception>
    public void CopyTo(Span<byte> destination)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(destination.Length, Length, nameof(destination));
        if (_blocks is null)
        {
            _piece[..destination.Length].CopyTo(destination);
        }
        else
        {
            _blocks.CopyTo(destination);
        }
    }

    /// <param name="most">No more than the first so many.</param>
    public byte[] ToArray(int most = int.MaxValue)
    {
        if (IsEmpty)
        {
            return [];
        }

        var copy = GC.AllocateUninitializedArray<byte>(Math.Min(Length, most));
        CopyTo(copy);
        return copy;
    }
}
