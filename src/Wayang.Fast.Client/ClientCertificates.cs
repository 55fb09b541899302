using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Wayang.Fast.Contracts.Errors;

namespace Wayang.Fast.Client;

/// <summary>Which authority a client believes of a node, and what it shows itself. Thread-safe; kept as long as the client.</summary>
public sealed class ClientCertificates
{
    private readonly X509Certificate2Collection? _authorities;
    private readonly SslStreamCertificateContext? _own;

    private ClientCertificates(X509Certificate2Collection? authorities, SslStreamCertificateContext? own) => (_authorities, _own) = (authorities, own);

    /// <summary>It has one of its own to show.</summary>
    public bool ShowsOne => _own is not null;

    /// <summary>Reads files of PEM.</summary>
    /// <param name="authorityFile">The authorities that are believed; null: those of this host.</param>
    /// <param name="certificateFile">What is shown to the node; null: nothing.</param>
    /// <param name="keyFile">Its key; null: it stands in the same file.</param>
    /// <exception cref="WayangException">One cannot be read, or holds nothing that can be used; the message says which.</exception>
    public static ClientCertificates Read(string? authorityFile, string? certificateFile = null, string? keyFile = null)
    {
        var file = authorityFile;
        try
        {
            X509Certificate2Collection? authorities = null;
            if (authorityFile is not null)
            {
                authorities = [];
                authorities.ImportFromPem(File.ReadAllText(authorityFile));
                if (authorities.Count == 0)
                {
                    throw new CryptographicException("it holds no certificate (-----BEGIN CERTIFICATE-----)");
                }
            }

            file = certificateFile;
            SslStreamCertificateContext? own = null;
            if (certificateFile is not null)
            {
                var all = new X509Certificate2Collection();
                all.ImportFromPem(File.ReadAllText(certificateFile));
                own = SslStreamCertificateContext.Create(X509Certificate2.CreateFromPemFile(certificateFile, keyFile ?? certificateFile), all, offline: true);
            }

            return new ClientCertificates(authorities, own);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            throw new WayangException(ErrorCode.InvalidArgument, $"{file} cannot be used: {failure.Message}", failure);
        }
    }

    /// <summary>The same of texts that somebody else has read.</summary>
    /// <param name="authority">The authorities that are believed, as PEM.</param>
    /// <param name="own">What is shown to the node, and its key, as PEM.</param>
    /// <exception cref="WayangException">One holds nothing that can be used.</exception>
    internal static ClientCertificates Of(string authority, string own)
    {
        try
        {
            X509Certificate2Collection authorities = [];
            authorities.ImportFromPem(authority);
            X509Certificate2Collection all = [];
            all.ImportFromPem(own);
            return authorities.Count > 0
                ? new ClientCertificates(authorities, SslStreamCertificateContext.Create(X509Certificate2.CreateFromPem(own, own), all, offline: true))
                : throw new CryptographicException("it holds no certificate (-----BEGIN CERTIFICATE-----)");
        }
        catch (Exception failure) when (failure is CryptographicException or ArgumentException)
        {
            throw new WayangException(ErrorCode.InvalidArgument, $"the node's certificates cannot be used: {failure.Message}", failure);
        }
    }

    /// <summary>How a node of this name is met.</summary>
    /// <param name="host">The name that its certificate must have.</param>
    /// <param name="certificates">What is believed and shown.</param>
    /// <param name="fingerprint">The SHA-256 of the one certificate that is believed, in lower-case hexadecimal digits; null: any with the name.</param>
    internal static SslClientAuthenticationOptions For(string host, ClientCertificates? certificates, string? fingerprint = null)
    {
        var options = new SslClientAuthenticationOptions
        {
            TargetHost = host, EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13, ClientCertificateContext = certificates?._own,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck, // private authorities publish no lists
        };
        if (certificates?._authorities is { } authorities)
        {
            options.CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck, DisableCertificateDownloads = true,
            };
            options.CertificateChainPolicy.CustomTrustStore.AddRange(authorities);
        }

        if (fingerprint is not null)
        {
            options.RemoteCertificateValidationCallback = (_, shown, _, errors) =>
                errors == SslPolicyErrors.None && shown is X509Certificate2 certificate
                && string.Equals(Convert.ToHexStringLower(certificate.GetCertHash(HashAlgorithmName.SHA256)), fingerprint, StringComparison.Ordinal);
        }

        return options;
    }
}
