namespace Wayang.Fast.Contracts.Operations;

/// <summary>
/// What lies under the encryption of a call's connection: TLS writes and reads records of 16 KiB, each with a system call of its own; those of one piece go out together here, and come in as many as there are. What is
/// asynchronous passes as it is. One thread writes and one reads at a time; dispose from any.
/// </summary>
/// <param name="inner">Owned.</param>
public sealed class GatheringStream(Stream inner) : Stream
{
    private const int Room = 128 << 10;

    private byte[]? _out;
    private byte[]? _in;
    private int _written;
    private int _start;
    private int _end;

    public override bool CanRead => inner.CanRead;

    public override bool CanSeek => false;

    public override bool CanWrite => inner.CanWrite;

    public override bool CanTimeout => inner.CanTimeout;

    public override int ReadTimeout
    {
        get => inner.ReadTimeout;
        set => inner.ReadTimeout = value;
    }

    public override int WriteTimeout
    {
        get => inner.WriteTimeout;
        set => inner.WriteTimeout = value;
    }

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Stays here until <see cref="Flush"/>, or until there is no room for it.</summary>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        _out ??= GC.AllocateUninitializedArray<byte>(Room);
        if (buffer.Length > Room - _written)
        {
            Flush();
        }

        if (buffer.Length > Room)
        {
            inner.Write(buffer);
            return;
        }

        buffer.CopyTo(_out.AsSpan(_written));
        _written += buffer.Length;
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush()
    {
        var count = _written;
        _written = 0;
        if (count > 0)
        {
            inner.Write(_out!, 0, count);
        }
    }

    public override int Read(Span<byte> buffer)
    {
        if (_start == _end)
        {
            _in ??= GC.AllocateUninitializedArray<byte>(Room);
            (_start, _end) = (0, 0);
            _end = inner.Read(_in, 0, Room);
        }

        return Take(buffer);
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        _start < _end ? ValueTask.FromResult(Take(buffer.Span)) : inner.ReadAsync(buffer, cancellationToken);

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Flush();
        return inner.WriteAsync(buffer, cancellationToken);
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task FlushAsync(CancellationToken cancellationToken)
    {
        Flush();
        return inner.FlushAsync(cancellationToken);
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            inner.Dispose();
        }

        base.Dispose(disposing);
    }

    private int Take(Span<byte> buffer)
    {
        var count = Math.Min(buffer.Length, _end - _start);
        _in.AsSpan(_start, count).CopyTo(buffer);
        _start += count;
        return count;
    }
}
