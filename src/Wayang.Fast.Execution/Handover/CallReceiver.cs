using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Execution.Checkpoints;

namespace Wayang.Fast.Execution.Handover;

/// <summary>The other end of a <see cref="CallSender"/>. One thread reads; each piece is copied out of the connection before it is looked at.</summary>
/// <param name="from">The connection, behind its preface; the caller's. Its timeouts are the reader's patience.</param>
/// <param name="each">Called at each piece.</param>
internal sealed class CallReceiver(Stream from, Action? each = null)
{
    /// <summary>So often it says how much it has taken: of what may be under way, a fraction.</summary>
    private const int Every = CallSender.Ahead / 2;

    private const int Room = CallStream.HeadBytes + CheckpointFile.PieceBytes;

    private readonly byte[] _buffer = new byte[2 * Room];
    private int _start;
    private int _end;
    private long _told;

    /// <summary>Bytes of pieces that were shown, heads and all.</summary>
    public long Received { get; private set; }

    /// <summary>Shows each piece, up to the last one.</summary>
    /// <exception cref="EndOfStreamException">The connection broke, or stood still for too long.</exception>
    /// <exception cref="InvalidDataException">What came is none of a call's.</exception>
    public void ReadAll(CheckpointFile.Visitor visit)
    {
        while (true)
        {
            Need(CallStream.HeadBytes);
            var (length, number) = CallStream.ReadHead(_buffer.AsSpan(_start));
            var kind = (CheckpointFile.Kind)number;
            if (length is < 0 or > CheckpointFile.PieceBytes || kind is < CheckpointFile.Kind.Stream or > CheckpointFile.Kind.Saved || Received > HandoverFields.MaxFile)
            {
                throw new InvalidDataException("what came of the call is damaged, or grows without end");
            }

            Need(CallStream.HeadBytes + length);
            var piece = _buffer.AsSpan(_start + CallStream.HeadBytes, length);
            _start += CallStream.HeadBytes + length;
            Received += CallStream.HeadBytes + length;
            if (kind == CheckpointFile.Kind.End)
            {
                return;
            }

            visit(kind, piece);
            each?.Invoke();
            if (Received - _told >= Every)
            {
                _told = Received;
                Say(new CallWord(CallWordKind.Taken, Received));
            }
        }
    }

    /// <exception cref="EndOfStreamException">The connection broke.</exception>
    public void Say(in CallWord word)
    {
        try
        {
            from.Write(word.Encode());
            from.Flush();
        }
        catch (Exception failure) when (IsOfConnection(failure))
        {
            throw Broken(failure);
        }
    }

    private void Need(int bytes)
    {
        if (_end - _start >= bytes)
        {
            return;
        }

        if (_start + Room > _buffer.Length)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            (_start, _end) = (0, _end - _start);
        }

        while (_end - _start < bytes)
        {
            var got = Read(_buffer.AsSpan(_end));
            _end += got > 0 ? got : throw new EndOfStreamException("it broke off");
        }
    }

    /// <summary>A connection that breaks is told from a disk that fails.</summary>
    private int Read(Span<byte> buffer)
    {
        try
        {
            return from.Read(buffer);
        }
        catch (Exception failure) when (IsOfConnection(failure))
        {
            throw Broken(failure);
        }
    }

    /// <summary>A stream that is disposed under who uses it says so in some ways.</summary>
    private static bool IsOfConnection(Exception failure) => failure is IOException or ObjectDisposedException or InvalidOperationException;

    private static EndOfStreamException Broken(Exception failure) => new($"the connection broke: {failure.Message}", failure);
}
