using System.Net.Sockets;
using Wayang.Fast.Contracts.MessagePack;

namespace Wayang.Fast.Perf.Rpc;

/// <summary>Counts whole answers, and sees that each is a success: a refusal is fast, too.</summary>
internal sealed class FrameCounter(Socket socket, string expected = "succeeded")
{
    private readonly byte[] _expected = System.Text.Encoding.UTF8.GetBytes(expected);
    private readonly FrameScanner _scanner = new(new FrameLimits());
    private byte[] _buffer = new byte[256 << 10];
    private int _filled;

    public int LastLength { get; private set; }

    /// <summary>Blocks for at least one answer; returns how many came whole.</summary>
    public int Read()
    {
        for (var count = 0; ;)
        {
            if (_filled == _buffer.Length)
            {
                Array.Resize(ref _buffer, 2 * _buffer.Length);
            }

            _filled += Received(socket.Receive(_buffer.AsSpan(_filled)));
            var start = 0;
            while (start < _filled && _scanner.Scan(_buffer.AsSpan(start, _filled - start)) == FrameStatus.Complete)
            {
                Check(_buffer.AsSpan(start, _scanner.Length));
                LastLength = _scanner.Length;
                start += _scanner.Length;
                _scanner.Reset();
                count++;
            }

            _buffer.AsSpan(start, _filled - start).CopyTo(_buffer);
            _filled -= start;
            if (count > 0)
            {
                return count;
            }
        }
    }

    private void Check(ReadOnlySpan<byte> frame)
    {
        var reader = new MessagePackReader(frame);
        if (!reader.TryReadArrayHeader(out _) || !reader.TryReadUInt64(out _) || !reader.TryReadUInt64(out _) || !reader.TryReadNil()
            || frame.IndexOf(_expected) < 0)
        {
            throw new InvalidOperationException($"The node answered: {System.Text.Encoding.UTF8.GetString(frame)}");
        }
    }

    public static int Received(int count) => count > 0 ? count : throw new IOException("The peer closed the connection.");
}
