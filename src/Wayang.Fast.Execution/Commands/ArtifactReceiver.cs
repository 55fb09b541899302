using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Spawner;

namespace Wayang.Fast.Execution.Commands;

/// <summary>
/// Takes what a command's init sends of out/, piece by piece: see <c>wy_artifact</c> in <c>native/spawner/protocol.h</c>. The sender is believed to be
/// hostile: kinds, names, counts and sizes are checked against the task's bounds before anything is kept; after the first wrong byte
/// nothing more is taken, and the problem is told with what was complete before. Supervisor thread.
/// </summary>
/// <param name="bounds">Of the task's artifacts; null: it wants none.</param>
/// <param name="stateBytes">Of the state that the command may leave among them; negative: none is asked for.</param>
internal sealed class ArtifactReceiver(ArtifactBounds? bounds, int stateBytes = -1)
{
    private const uint KindFile = 1;
    private const uint KindEnd = 2;

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly byte[] _head = new byte[ProtocolLayout.ArtifactHeaderBytes + ProtocolLayout.ArtifactNameBytes];
    private readonly SortedDictionary<string, TaskArtifact> _files = new(StringComparer.Ordinal);
    private int _headBytes;
    private byte[]? _content;
    private int _contentBytes;
    private string? _name;
    private int _announced;
    private long _bytesLeft = (bounds?.MaxBytes ?? 0) + Math.Max(0, stateBytes);
    private long _ownBytesLeft = bounds?.MaxBytes ?? 0;
    private long _leftOut;
    private long _leftOutBytes;
    private bool _ended;
    private string? _problem;

    public void Feed(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty && _problem is null)
        {
            if (_ended)
            {
                _problem = "bytes followed the end of the artifacts";
                return;
            }

            bytes = bytes[(_content is null ? FeedHead(bytes) : FeedContent(bytes))..];
        }
    }

    /// <summary>What the command saved, once it is whole; null: nothing.</summary>
    public byte[]? State { get; private set; }

    /// <summary>Nothing more comes.</summary>
    /// <returns>Null: no artifacts were wanted.</returns>
    public TaskArtifacts? Finish()
    {
        if (bounds is null)
        {
            return null;
        }

        if (!_ended)
        {
            _problem ??= "the task's process ended before all were collected";
        }

        return new TaskArtifacts([.. _files.Values], _leftOut, _leftOutBytes, _problem);
    }

    private int FeedHead(ReadOnlySpan<byte> bytes)
    {
        var wanted = ProtocolLayout.ArtifactHeaderBytes;
        if (_headBytes >= wanted)
        {
            wanted += (int)BinaryPrimitives.ReadUInt32LittleEndian(_head.AsSpan(4)); // checked when the header was complete
        }

        var taken = Math.Min(bytes.Length, wanted - _headBytes);
        bytes[..taken].CopyTo(_head.AsSpan(_headBytes));
        _headBytes += taken;
        if (_headBytes == wanted)
        {
            _problem = wanted == ProtocolLayout.ArtifactHeaderBytes ? CheckHead() : Begin();
        }

        return taken;
    }

    private string? CheckHead()
    {
        var kind = BinaryPrimitives.ReadUInt32LittleEndian(_head);
        var name = BinaryPrimitives.ReadUInt32LittleEndian(_head.AsSpan(4));
        var length = BinaryPrimitives.ReadUInt64LittleEndian(_head.AsSpan(8));
        if (kind == KindEnd)
        {
            _ended = true;
            _leftOut += name;
            _leftOutBytes += (long)Math.Min(length, long.MaxValue / 2);
            return null;
        }

        if (kind != KindFile || name is 0 or > ProtocolLayout.ArtifactNameBytes)
        {
            return "a malformed artifact was announced";
        }

        if (++_announced > (bounds?.MaxFiles ?? 0) + (stateBytes >= 0 ? 1 : 0) || length > (ulong)_bytesLeft)
        {
            return "more artifacts were announced than the bounds allow";
        }

        _bytesLeft -= (long)length;
        return null;
    }

    private string? Begin()
    {
        var utf8 = _head.AsSpan(ProtocolLayout.ArtifactHeaderBytes, _headBytes - ProtocolLayout.ArtifactHeaderBytes);
        try
        {
            _name = Strict.GetString(utf8);
        }
        catch (DecoderFallbackException)
        {
            _name = null; // a name that no answer can carry: its bytes are passed over
        }

        if (_name is not null && (_name.Contains('\0', StringComparison.Ordinal) || _name.Split('/').Any(static part => part.Length == 0 || part is "." or "..")
            || _files.ContainsKey(_name)))
        {
            return "an artifact was announced under a name that is no path below out/, or twice";
        }

        var length = (int)BinaryPrimitives.ReadUInt64LittleEndian(_head.AsSpan(8));
        if (stateBytes >= 0 && !IsState && _name is not null && (_files.Count >= (bounds?.MaxFiles ?? 0) || length > _ownBytesLeft))
        {
            _name = null; // it has the room of a state that did not come: it is over the task's own bounds
        }

        _ownBytesLeft -= IsState || _name is null ? 0 : length;
        _content = GC.AllocateUninitializedArray<byte>(length);
        _contentBytes = 0;
        _headBytes = 0;
        if (_content.Length == 0)
        {
            Complete();
        }

        return null;
    }

    private int FeedContent(ReadOnlySpan<byte> bytes)
    {
        var taken = Math.Min(bytes.Length, _content!.Length - _contentBytes);
        bytes[..taken].CopyTo(_content.AsSpan(_contentBytes));
        _contentBytes += taken;
        if (_contentBytes == _content.Length)
        {
            Complete();
        }

        return taken;
    }

    private bool IsState => stateBytes >= 0 && _name == StageFile.StateName;

    private void Complete()
    {
        if (IsState && _content!.Length <= stateBytes && State is null)
        {
            State = _content;
        }
        else if (_name is null || IsState)
        {
            _leftOut++;
            _leftOutBytes += _content!.Length;
        }
        else
        {
            _files.Add(_name, new TaskArtifact(_name, _content, Convert.ToHexStringLower(SHA256.HashData(_content!))));
        }

        _content = null;
    }
}
