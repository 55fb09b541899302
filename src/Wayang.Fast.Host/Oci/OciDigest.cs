using System.Buffers;
using System.Security.Cryptography;

namespace Wayang.Fast.Host.Oci;

/// <summary>sha256, the only algorithm that is taken.</summary>
public readonly record struct OciDigest
{
    private const string Algorithm = "sha256:";
    private const int HexDigits = 64;

    private OciDigest(string hex) => Hex = hex;

    public string Hex { get; }

    public static OciDigest Parse(string? text, string what) =>
        text is not null && text.StartsWith(Algorithm, StringComparison.Ordinal) && text.Length == Algorithm.Length + HexDigits
        && text.AsSpan(Algorithm.Length).IndexOfAnyExcept(LowerHex) < 0
            ? new OciDigest(text[Algorithm.Length..])
            : throw new OciException(OciFault.Unsupported, $"{what}: the digest '{OciException.Shown(text ?? string.Empty)}' is not sha256 with {HexDigits} lower-case digits");

    public static OciDigest Of(ReadOnlySpan<byte> bytes) => new(Convert.ToHexStringLower(SHA256.HashData(bytes)));

    public static OciDigest Of(byte[] hash, int length) => new(Convert.ToHexStringLower(hash.AsSpan(0, length)));

    public override string ToString() => Algorithm + Hex;

    private static SearchValues<char> LowerHex { get; } = SearchValues.Create("0123456789abcdef");
}
