using System.Security.Cryptography;

namespace Wayang.Fast.Host.Oci;

/// <summary>What is read through it is hashed and counted, and no more than a bound is read.</summary>
internal sealed class HashedStream(Stream inner, IncrementalHash hash, long most, Func<Exception> tooMuch) : Stream
{
    /// <summary>Bytes so far.</summary>
    public long Count { get; private set; }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => Count;
        set => throw new NotSupportedException();
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        var got = inner.Read(buffer);
        hash.AppendData(buffer[..got]);
        Count += got;
        return Count > most ? throw tooMuch() : got;
    }

    /// <summary>Past the archive's end: the digest is of all that the layer holds.</summary>
    public void ReadToEnd()
    {
        var rest = new byte[1 << 16];
        while (Read(rest) > 0)
        {
        }
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
