using System.Text;
using System.Text.Json;
using Wayang.Fast.Execution.Logs;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Tests;

/// <summary>Whatever a worker writes, its record is one line of valid JSON.</summary>
[Trait("Promise", "TR3")]
public sealed class LogLineTests
{
    private readonly LogLine _line = new();

    [Fact]
    public void Text_comes_back_as_it_was_written()
    {
        const string text = "say \"hi\" \\ \t\u0001\u001f\u007f\u2028 ä €\r\nnext";
        var record = Read(Encoding.UTF8.GetBytes(text), ChannelLayout.LogError);
        Assert.Equal(text, record.GetProperty("text").GetString());
        Assert.Equal("error", record.GetProperty("level").GetString());
        Assert.Equal("2001-09-09T01:46:40.123Z", record.GetProperty("time").GetString());
    }

    [Fact]
    public void One_line_break_at_the_end_is_left_out() =>
        Assert.Equal("a\n", Read("a\n\n"u8, ChannelLayout.LogDebug).GetProperty("text").GetString());

    [Fact]
    public void Any_bytes_of_the_greatest_length_make_a_valid_line()
    {
        var random = new Random(7);
        for (var turn = 0; turn < 50; turn++)
        {
            var bytes = new byte[turn == 0 ? 65_536 : random.Next(65_537)];
            if (turn == 0)
            {
                bytes.AsSpan().Fill(1); // each becomes six
            }
            else
            {
                random.NextBytes(bytes);
            }

            var text = Read(bytes, ChannelLayout.LogInfo).GetProperty("text").GetString()!;
            var kept = bytes.AsSpan();
            Assert.Equal(Encoding.UTF8.GetString(kept.EndsWith("\n"u8) ? kept[..^1] : kept), text);
        }
    }

    private JsonElement Read(ReadOnlySpan<byte> text, byte level)
    {
        var line = _line.Format(1_000_000_000_123, level, text);
        Assert.Equal(line.Length - 1, line.IndexOf((byte)'\n'));
        var reader = new Utf8JsonReader(line);
        return JsonElement.ParseValue(ref reader);
    }
}
