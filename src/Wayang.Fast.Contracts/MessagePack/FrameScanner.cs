namespace Wayang.Fast.Contracts.MessagePack;

public enum FrameStatus : byte
{
    /// <summary>More bytes are needed: call again with the same frame, longer.</summary>
    Incomplete = 0,

    /// <summary>The frame is whole: <see cref="FrameScanner.Length"/> bytes.</summary>
    Complete,

    /// <summary>A byte that the format never uses.</summary>
    Malformed,
    TooDeep,
    TooManyItems,

    /// <summary>It has, or claims, more bytes than the limit.</summary>
    TooLong,
}

/// <summary>What a peer may send in one frame. Claims are checked as soon as they are read, before anything is allocated.</summary>
public sealed record FrameLimits
{
    public int MaxBytes { get; init; } = (64 << 20) + (64 << 10);

    /// <summary>Values in the frame, containers included.</summary>
    public int MaxItems { get; init; } = 1 << 20;

    public int MaxDepth { get; init; } = 16;
}

/// <summary>
/// Finds the end of a frame (one MessagePack value) in a stream. Keeps its place between calls, so a frame that arrives
/// byte by byte costs O(n) altogether: only a cut header (at most 8 bytes) is looked at again. One frame at a time; not
/// thread-safe; allocates once.
/// </summary>
public sealed class FrameScanner(FrameLimits limits)
{
    private readonly ulong[] _open = new ulong[limits.MaxDepth];
    private long _position;
    private ulong _owed = 1;
    private ulong _items;
    private int _depth;

    /// <summary>The frame's length; valid after <see cref="FrameStatus.Complete"/>.</summary>
    public int Length => (int)_position;

    /// <summary>Forgets the frame, to begin the next.</summary>
    public void Reset()
    {
        _position = 0;
        _owed = 1;
        _items = 0;
        _depth = 0;
    }

    /// <param name="frame">All bytes since the frame's first; bytes of later frames may follow.</param>
    public FrameStatus Scan(ReadOnlySpan<byte> frame)
    {
        while (_owed > 0)
        {
            if (_position >= frame.Length)
            {
                return FrameStatus.Incomplete;
            }

            var status = MessagePackToken.Decode(frame[(int)_position..], out var token);
            if (status != TokenStatus.Ok)
            {
                return status == TokenStatus.Incomplete ? FrameStatus.Incomplete : FrameStatus.Malformed;
            }

            var refusal = Take(token);
            if (refusal != FrameStatus.Complete)
            {
                return refusal;
            }
        }

        return _position <= frame.Length ? FrameStatus.Complete : FrameStatus.Incomplete;
    }

    /// <summary>Accounts for one token; returns Complete when it is within the limits.</summary>
    private FrameStatus Take(in MessagePackToken token)
    {
        var children = token.Children;
        _items++;
        _owed += children - 1;
        _position += token.HeaderBytes + token.PayloadBytes;
        if (_items + _owed > (ulong)limits.MaxItems)
        {
            return FrameStatus.TooManyItems;
        }

        // What is owed needs at least a byte each.
        if ((ulong)_position + _owed > (ulong)limits.MaxBytes)
        {
            return FrameStatus.TooLong;
        }

        if (children > 0)
        {
            if (_depth == limits.MaxDepth)
            {
                return FrameStatus.TooDeep;
            }

            _open[_depth++] = children;
            return FrameStatus.Complete;
        }

        while (_depth > 0 && --_open[_depth - 1] == 0)
        {
            _depth--;
        }

        return FrameStatus.Complete;
    }
}
