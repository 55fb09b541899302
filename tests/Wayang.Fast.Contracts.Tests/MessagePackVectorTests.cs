using System.Globalization;
using System.Text.Json;
using Wayang.Fast.Contracts.MessagePack;
using Xunit;

namespace Wayang.Fast.Contracts.Tests;

/// <summary>The public vectors (npm msgpack-test-suite 1.0.0), which the build puts under out/vectors.</summary>
[Trait("Promise", "COM3")]
public sealed class MessagePackVectorTests
{
    [Fact]
    public void Every_encoding_reads_as_its_value_whole_and_byte_by_byte()
    {
        var (encodings, values) = ForEach(static (value, encoded, _) =>
        {
            Check(value, encoded);
            var scanner = new FrameScanner(new FrameLimits());
            for (var length = 0; length < encoded.Length; length++)
            {
                Assert.Equal(FrameStatus.Incomplete, scanner.Scan(encoded.AsSpan(0, length)));
            }

            Assert.Equal(FrameStatus.Complete, scanner.Scan(encoded));
            Assert.Equal(encoded.Length, scanner.Length);
        });
        Assert.Equal(233, encodings);
        Assert.Equal(85, values);
    }

    [Fact]
    public void Every_value_is_written_in_its_shortest_form()
    {
        ForEach(static (value, _, all) =>
        {
            using var buffer = new PooledBuffer(16);
            var writer = new MessagePackWriter(buffer);
            if (!Write(ref writer, value))
            {
                return;
            }

            writer.Commit();
            var written = Convert.ToHexString(buffer.WrittenSpan);
            Assert.Contains(written, all.Select(Convert.ToHexString));

            // Integers stay integers, also where a float of 32 bits would be shorter.
            Assert.Equal(all.Where(static encoded => encoded[0] is not (0xCA or 0xCB)).Min(static encoded => encoded.Length), buffer.Count);
        });
    }

    private static (int Encodings, int Values) ForEach(Action<JsonProperty, byte[], byte[][]> check)
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "vectors", "msgpack-test-suite.json")))
        {
            directory = directory.Parent;
        }

        if (directory is null)
        {
            Assert.Skip("out/vectors/msgpack-test-suite.json is not there: ./build.sh test fetches it.");
        }

        using var document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(directory!.FullName, "vectors", "msgpack-test-suite.json")));
        var encodings = 0;
        var values = 0;
        foreach (var item in document.RootElement.EnumerateObject().SelectMany(static group => group.Value.EnumerateArray()))
        {
            // A large integer stands twice: as a number (rounded by JSON) and as the exact "bignum".
            var value = item.TryGetProperty("bignum", out _)
                ? item.EnumerateObject().First(static property => property.NameEquals("bignum"))
                : item.EnumerateObject().First(static property => !property.NameEquals("msgpack"));
            values++;
            var all = item.GetProperty("msgpack").EnumerateArray().Select(static encoded => Hex(encoded.GetString()!)).ToArray();
            encodings += all.Length;
            Array.ForEach(all, encoded => check(value, encoded, all));
        }

        return (encodings, values);
    }

    private static byte[] Hex(string text) => Convert.FromHexString(text.Replace("-", "", StringComparison.Ordinal));

    private static void Check(JsonProperty expected, byte[] encoded)
    {
        var reader = new MessagePackReader(encoded);
        switch (expected.Name)
        {
            case "binary":
                Assert.True(reader.TryReadBinary(out var bytes));
                Assert.Equal(Hex(expected.Value.GetString()!), bytes.ToArray());
                break;
            case "ext":
                Assert.True(reader.TryReadExtension(out var type, out var content));
                Assert.Equal(expected.Value[0].GetInt32(), type);
                Assert.Equal(Hex(expected.Value[1].GetString()!), content.ToArray());
                break;
            case "timestamp":
                Assert.True(reader.TryReadTimestamp(out var seconds, out var nanoseconds));
                Assert.Equal(expected.Value[0].GetInt64(), seconds);
                Assert.Equal(expected.Value[1].GetUInt32(), nanoseconds);
                break;
            case "bignum":
                CheckBig(ref reader, expected.Value.GetString()!);
                break;
            default:
                CheckJson(ref reader, expected.Value);
                break;
        }

        Assert.Equal(0, reader.Remaining);
    }

    private static void CheckBig(ref MessagePackReader reader, string text)
    {
        if (text.StartsWith('-'))
        {
            Assert.True(reader.TryReadInt64(out var negative));
            Assert.Equal(long.Parse(text, CultureInfo.InvariantCulture), negative);
        }
        else
        {
            Assert.True(reader.TryReadUInt64(out var positive));
            Assert.Equal(ulong.Parse(text, CultureInfo.InvariantCulture), positive);
        }
    }

    private static void CheckJson(ref MessagePackReader reader, JsonElement expected)
    {
        switch (expected.ValueKind)
        {
            case JsonValueKind.Null:
                Assert.True(reader.TryReadNil());
                break;
            case JsonValueKind.True or JsonValueKind.False:
                Assert.True(reader.TryReadBoolean(out var flag));
                Assert.Equal(expected.GetBoolean(), flag);
                break;
            case JsonValueKind.Number:
                var ahead = reader;
                Assert.True(reader.TryReadDouble(out var number));
                Assert.Equal(expected.GetDouble(), number);
                Assert.True(!expected.TryGetInt64(out var exact) || (ahead.TryReadInt64(out var whole) && whole == exact));
                break;
            case JsonValueKind.String:
                Assert.True(reader.TryReadString(out var text));
                Assert.Equal(expected.GetString(), System.Text.Encoding.UTF8.GetString(text));
                break;
            case JsonValueKind.Array:
                Assert.True(reader.TryReadArrayHeader(out var count));
                Assert.Equal(expected.GetArrayLength(), count);
                foreach (var item in expected.EnumerateArray())
                {
                    CheckJson(ref reader, item);
                }

                break;
            default:
                Assert.True(reader.TryReadMapHeader(out var pairs));
                Assert.Equal(expected.EnumerateObject().Count(), pairs);
                for (var i = 0; i < pairs; i++)
                {
                    Assert.True(reader.TryReadString(out var key));
                    CheckJson(ref reader, expected.GetProperty(System.Text.Encoding.UTF8.GetString(key)));
                }

                break;
        }
    }

    /// <summary>False for what has no single shortest form here (JSON numbers do not say whether they are floats).</summary>
    private static bool Write(ref MessagePackWriter writer, JsonProperty value)
    {
        switch (value.Name)
        {
            case "nil":
                writer.WriteNil();
                return true;
            case "bool":
                writer.WriteBoolean(value.Value.GetBoolean());
                return true;
            case "binary":
                writer.WriteBinary(Hex(value.Value.GetString()!));
                return true;
            case "string":
                writer.WriteString(value.Value.GetString()!);
                return true;
            case "ext":
                writer.WriteExtension((sbyte)value.Value[0].GetInt32(), Hex(value.Value[1].GetString()!));
                return true;
            case "number" when value.Value.TryGetInt64(out var number):
                writer.WriteInt64(number);
                return true;
            case "bignum" when ulong.TryParse(value.Value.GetString(), CultureInfo.InvariantCulture, out var big):
                writer.WriteUInt64(big);
                return true;
            default:
                return false;
        }
    }
}
