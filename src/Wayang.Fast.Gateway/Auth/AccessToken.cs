using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Gateway.Auth;

/// <summary>What is known of a token: everything but the token itself.</summary>
/// <param name="Name">Whom it stands for; unique in its file.</param>
/// <param name="Tenant">Whose tasks and images its bearer sees.</param>
/// <param name="Scopes">What its bearer may do.</param>
/// <param name="Proof">What its bearer shows: the token with this SHA-256 (64 lower-case hexadecimal digits), or a certificate of the name behind "cert:".</param>
/// <param name="Expires">From when on it is refused; null: never.</param>
public sealed record AccessToken(string Name, int Tenant, OperationScopes Scopes, string Proof, DateTimeOffset? Expires)
{
    public const int MaxNameLength = 63;
    public const int MaxTenant = 32_767;

    public const string CertificatePrefix = "cert:";

    private const string Prefix = "wayang_";
    private const int RandomBytes = 32;

    /// <summary>Null: it is a token that is shown.</summary>
    public string? Certificate => Proof.StartsWith(CertificatePrefix, StringComparison.Ordinal) ? Proof[CertificatePrefix.Length..] : null;

    /// <summary>A fresh token: 256 random bits, after a prefix by which scanners of leaked secrets can know it.</summary>
    public static string NewSecret() => Prefix + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(RandomBytes));

    /// <summary>The form in which a token is kept. It is random, not a password: one plain hash is enough.</summary>
    public static string HashOf(string secret) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(secret)));

    /// <summary>A common name or DNS name that can stand in the file.</summary>
    public static bool IsCertificateName(string name) =>
        name.Length is > 0 and <= 253 && name.All(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' or '@' or ':' or '/');

    public static bool IsName(string name) =>
        name.Length is > 0 and <= MaxNameLength && name.All(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-');
}
