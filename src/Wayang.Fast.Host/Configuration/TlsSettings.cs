using Wayang.Fast.Gateway.Auth;

namespace Wayang.Fast.Host.Configuration;

/// <summary>The section <c>tls</c>: what the doors show over TCP; without a certificate nothing there is encrypted.</summary>
public sealed record TlsSettings
{
    public string? CertificateFile { get; init; }

    public string? KeyFile { get; init; }

    /// <summary>Who signed the certificates of callers; null: they are not asked for one.</summary>
    public string? ClientAuthorityFile { get; init; }

    /// <summary>Who has no certificate is not let in, token or not.</summary>
    public bool RequireClient { get; init; }

    public (string Key, string Reason)? Fault() =>
        CertificateFile is null && (KeyFile is not null || ClientAuthorityFile is not null || RequireClient) ? ("tls.certificate_file", "is needed beside the other keys of tls. Make one with 'wayang cert issue'")
        : CertificateFile is not null && KeyFile is null ? ("tls.key_file", "is needed beside tls.certificate_file")
        : RequireClient && ClientAuthorityFile is null ? ("tls.client_ca_file", "is needed where tls.require_client_certificate is true: whose certificates are believed?")
        : null;

    /// <summary>The texts of the files; null without TLS.</summary>
    /// <exception cref="IOException">One cannot be read, or not be used.</exception>
    public TlsTexts? ReadFiles()
    {
        if (CertificateFile is not { } certificate || KeyFile is not { } key)
        {
            return null;
        }

        var texts = new TlsTexts($"{File.ReadAllText(certificate)}\n{File.ReadAllText(key)}", ClientAuthorityFile is { } authority ? File.ReadAllText(authority) : null);
        DoorCertificates.Check(texts.Server, texts.ClientAuthority);
        return texts;
    }
}

/// <summary>What the files of <see cref="TlsSettings"/> say, as whoever may read them read it.</summary>
/// <param name="Server">Certificate and key.</param>
/// <param name="ClientAuthority">Null: callers are not asked for a certificate.</param>
public sealed record TlsTexts(string Server, string? ClientAuthority)
{
    /// <summary>Says nothing of a key.</summary>
    public override string ToString() => nameof(TlsTexts);
}
