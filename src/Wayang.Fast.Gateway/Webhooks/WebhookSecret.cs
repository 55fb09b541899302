using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Wayang.Fast.Gateway.Webhooks;

/// <summary>Keys and signatures as Standard Webhooks has them: whsec_ and base64; v1, and the base64 of an HMAC-SHA256 over id, time and body.</summary>
internal static class WebhookSecret
{
    private const string Prefix = "whsec_";
    private const int Fewest = 24;
    private const int Most = 64;
    private const int Usual = 32;

    /// <summary>The most characters of one as text.</summary>
    public const int MostCharacters = 128;

    public static byte[] Create() => RandomNumberGenerator.GetBytes(Usual);

    public static string Text(ReadOnlySpan<byte> key) => Prefix + Convert.ToBase64String(key);

    /// <summary>False: it is none, or of fewer than 24 bytes or more than 64.</summary>
    public static bool TryParse(string text, out byte[] key)
    {
        key = [];
        if (!text.StartsWith(Prefix, StringComparison.Ordinal) || !Base64.IsValid(text.AsSpan(Prefix.Length), out var bytes) || bytes is < Fewest or > Most)
        {
            return false;
        }

        key = Convert.FromBase64String(text[Prefix.Length..]);
        return true;
    }

    /// <summary>The header webhook-signature: one signature a key.</summary>
    public static string Sign(string id, long unixSeconds, ReadOnlySpan<byte> body, ReadOnlySpan<byte> key, ReadOnlySpan<byte> former)
    {
        var signed = new byte[Encoding.UTF8.GetByteCount(id) + 22 + body.Length];
        var head = Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{id}.{unixSeconds}."), signed);
        body.CopyTo(signed.AsSpan(head));
        var content = signed.AsSpan(0, head + body.Length);
        var signature = "v1," + Convert.ToBase64String(HMACSHA256.HashData(key, content));
        return former.IsEmpty ? signature : $"{signature} v1,{Convert.ToBase64String(HMACSHA256.HashData(former, content))}";
    }
}
