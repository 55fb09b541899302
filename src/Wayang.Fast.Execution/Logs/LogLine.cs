using System.Globalization;
using System.Text;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Logs;

/// <summary>
/// A record of a task's log as one line of JSON: <c>{"time":"...","level":"info","text":"..."}</c>. The worker's bytes are hostile: whatever they
/// are, the line is valid UTF-8 and valid JSON without a line break inside. One thread; the line is valid until the next.
/// </summary>
internal sealed class LogLine
{
    private const int MaxTextBytes = 65536;
    private const int FrameBytes = 96;
    private const int WorstEscape = 6;

    private readonly byte[] _line = new byte[(MaxTextBytes * WorstEscape) + FrameBytes];
    private int _length;

    /// <param name="level">One of the channel's.</param>
    /// <param name="text">At most 65,536 bytes; a line break at its end is left out.</param>
    public ReadOnlySpan<byte> Format(long unixMs, byte level, ReadOnlySpan<byte> text)
    {
        _length = 0;
        Put("{\"time\":\""u8);
        var time = DateTimeOffset.FromUnixTimeMilliseconds(unixMs).UtcDateTime;
        time.TryFormat(_line.AsSpan(_length), out var written, "yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
        _length += written;
        Put("\",\"level\":\""u8);
        Put(LevelName(level));
        Put("\",\"text\":\""u8);
        PutText(text.EndsWith("\n"u8) ? text[..^1] : text);
        Put("\"}\n"u8);
        return _line.AsSpan(0, _length);
    }

    private static ReadOnlySpan<byte> LevelName(byte level) => level switch
    {
        ChannelLayout.LogDebug => "debug"u8,
        ChannelLayout.LogInfo => "info"u8,
        ChannelLayout.LogWarning => "warning"u8,
        _ => "error"u8,
    };

    private void PutText(ReadOnlySpan<byte> text)
    {
        while (!text.IsEmpty)
        {
            Rune.DecodeFromUtf8(text, out var rune, out var taken); // what is no UTF-8 is U+FFFD
            text = text[taken..];
            switch (rune.Value)
            {
                case '"':
                    Put("\\\""u8);
                    break;
                case '\\':
                    Put("\\\\"u8);
                    break;
                case '\n':
                    Put("\\n"u8);
                    break;
                case '\t':
                    Put("\\t"u8);
                    break;
                case < 0x20 or 0x7F or 0x2028 or 0x2029:
                    Put("\\u"u8);
                    rune.Value.TryFormat(_line.AsSpan(_length), out var digits, "x4", CultureInfo.InvariantCulture);
                    _length += digits;
                    break;
                default:
                    _length += rune.EncodeToUtf8(_line.AsSpan(_length));
                    break;
            }
        }
    }

    private void Put(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_line.AsSpan(_length));
        _length += bytes.Length;
    }
}
