using System.Globalization;
using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace Wayang.Fast.Host.Demo;

/// <summary>
/// What each job of the demo must answer, computed here by other means than the job's own: .NET's SHA-256, a regular
/// expression instead of a scanner, decompression instead of compression.
/// </summary>
internal static partial class Expectation
{
    private const int TopWords = 10;
    private const int MatchTimeoutMs = 10_000;

    public static bool Count(byte[] content, ReadOnlySpan<byte> answer)
    {
        var lines = content.AsSpan().Count((byte)'\n');
        var words = Word().Count(Encoding.Latin1.GetString(content));
        return Equals(answer, string.Create(CultureInfo.InvariantCulture, $"{lines} {words} {content.Length}\n"));
    }

    public static bool Hash(byte[] content, ReadOnlySpan<byte> answer) =>
        Equals(answer, Convert.ToHexStringLower(SHA256.HashData(content)) + "\n");

    public static bool Sha256Sum(byte[] content, ReadOnlySpan<byte> answer) =>
        Equals(answer, Convert.ToHexStringLower(SHA256.HashData(content)) + "  -\n");

    public static bool Top(byte[] content, ReadOnlySpan<byte> answer)
    {
        var counts = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (Match match in Word().Matches(Encoding.Latin1.GetString(content)))
        {
            CollectionsMarshal.GetValueRefOrAddDefault(counts, FoldAscii(match.Value), out _)++;
        }

        var text = new StringBuilder();
        foreach (var (word, count) in counts.OrderByDescending(static p => p.Value).ThenBy(static p => p.Key, StringComparer.Ordinal).Take(TopWords))
        {
            text.Append(CultureInfo.InvariantCulture, $"{count} {word}\n");
        }

        return Equals(answer, text.ToString());
    }

    public static bool Gzip(byte[] content, ReadOnlySpan<byte> answer)
    {
        try
        {
            using var packed = new MemoryStream(answer.ToArray(), writable: false);
            using var unpacked = new GZipStream(packed, CompressionMode.Decompress);
            // One byte more than expected fits: a longer answer is seen without reading all of it.
            var buffer = new byte[content.Length + 1];
            var length = unpacked.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
            return buffer.AsSpan(0, length).SequenceEqual(content);
        }
        catch (InvalidDataException)
        {
            return false;
        }
    }

    // Latin-1 maps bytes to characters one to one, so that this sees bytes.
    [GeneratedRegex("[A-Za-z0-9\u0080-\u00ff]+", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, MatchTimeoutMs)]
    private static partial Regex Word();

    private static string FoldAscii(string word) => string.Create(word.Length, word, static (span, source) =>
    {
        for (var i = 0; i < span.Length; i++)
        {
            span[i] = char.IsAsciiLetterUpper(source[i]) ? char.ToLowerInvariant(source[i]) : source[i];
        }
    });

    private static bool Equals(ReadOnlySpan<byte> answer, string expected) => answer.SequenceEqual(Encoding.Latin1.GetBytes(expected));
}
