using System.Text;
using Wayang.Fast.Contracts.MessagePack;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>Single values of a reply's map, for doors that put them elsewhere than into a body.</summary>
internal readonly ref struct ReplyFields(ReadOnlySpan<byte> map)
{
    private readonly ReadOnlySpan<byte> _map = map;

    public string Text(ReadOnlySpan<byte> key) => TryFind(key, out var reader) && reader.TryReadStringOrBinary(out var text) ? Encoding.UTF8.GetString(text) : string.Empty;

    public long Number(ReadOnlySpan<byte> key) => TryFind(key, out var reader) && reader.TryReadInt64(out var number) ? number : 0;

    public bool Flag(ReadOnlySpan<byte> key) => TryFind(key, out var reader) && reader.TryReadBoolean(out var flag) && flag;

    /// <summary>A copy.</summary>
    public byte[] Bytes(ReadOnlySpan<byte> key) => TryFind(key, out var reader) && reader.TryReadStringOrBinary(out var bytes) ? bytes.ToArray() : [];

    public int Length(ReadOnlySpan<byte> key) => TryFind(key, out var reader) && reader.TryReadStringOrBinary(out var bytes) ? bytes.Length : 0;

    private bool TryFind(ReadOnlySpan<byte> key, out MessagePackReader reader)
    {
        reader = new MessagePackReader(_map);
        if (!reader.TryReadMapHeader(out var pairs))
        {
            return false;
        }

        for (; pairs > 0 && reader.TryReadStringOrBinary(out var name); pairs--)
        {
            if (name.SequenceEqual(key))
            {
                return true;
            }

            reader.TrySkip();
        }

        return false;
    }
}
