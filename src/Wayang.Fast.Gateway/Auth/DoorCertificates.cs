using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Wayang.Fast.Gateway.Auth;

/// <summary>
/// What a door shows over TLS, and which authorities it believes of those who come with a certificate. It can be replaced while it is used: connections
/// made from then on see the later one. Any thread.
/// </summary>
public sealed class DoorCertificates
{
    private const string ClientUsage = "1.3.6.1.5.5.7.3.2";

    private readonly bool _isClientRequired;
    private State _state;

    /// <param name="server">Certificate, the authorities between it and the root, and its key, as PEM.</param>
    /// <param name="clientAuthority">Who signed the clients' certificates, as PEM; null: nobody is asked for one.</param>
    /// <param name="isClientRequired">Who has none is not let in, token or not.</param>
    /// <exception cref="IOException">Something in it cannot be used; the message says what.</exception>
    public DoorCertificates(string server, string? clientAuthority, bool isClientRequired = false)
    {
        _isClientRequired = isClientRequired;
        _state = Read(server, clientAuthority);
    }

    /// <summary>Takes later ones up.</summary>
    /// <exception cref="IOException">They cannot be used; the former stay in force.</exception>
    public void Replace(string server, string? clientAuthority) => Volatile.Write(ref _state, Read(server, clientAuthority));

    /// <summary>Checks what would be replaced with.</summary>
    /// <exception cref="IOException">It cannot be used.</exception>
    public static void Check(string server, string? clientAuthority) => Read(server, clientAuthority);

    /// <summary>The names that a certificate stands for: its common name and its DNS names.</summary>
    public static IReadOnlyList<string> NamesOf(X509Certificate2 certificate)
    {
        var names = new HashSet<string>(StringComparer.Ordinal) { certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: false) };
        foreach (var extension in certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>())
        {
            names.UnionWith(extension.EnumerateDnsNames());
        }

        return [.. names];
    }

    /// <summary>How the next connection is answered.</summary>
    /// <param name="protocols">Those that it may be told apart by; null: it is of one kind.</param>
    internal SslServerAuthenticationOptions ForConnection(List<SslApplicationProtocol>? protocols = null)
    {
        var state = Volatile.Read(ref _state);
        return new SslServerAuthenticationOptions
        {
            ServerCertificateContext = state.Server,
            ApplicationProtocols = protocols,
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            ClientCertificateRequired = state.Authorities is not null,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck, // a certificate is revoked by taking its line out of the file of tokens
            RemoteCertificateValidationCallback = (_, shown, _, _) => shown is X509Certificate2 certificate ? IsTrusted(certificate, state) : !_isClientRequired,
        };
    }

    /// <summary>By the authorities of now, so that a connection ends to count with the authority that let it in.</summary>
    internal bool IsTrusted(X509Certificate2 certificate) => IsTrusted(certificate, Volatile.Read(ref _state));

    private static bool IsTrusted(X509Certificate2 certificate, State state)
    {
        if (state.Authorities is null)
        {
            return false;
        }

        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(state.Authorities);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid(ClientUsage));
        return chain.Build(certificate);
    }

    private static State Read(string server, string? clientAuthority)
    {
        try
        {
            var certificate = X509Certificate2.CreateFromPem(server, server);
            var all = new X509Certificate2Collection();
            all.ImportFromPem(server);
            X509Certificate2Collection? authorities = null;
            if (clientAuthority is not null)
            {
                authorities = [];
                authorities.ImportFromPem(clientAuthority);
                if (authorities.Count == 0)
                {
                    throw new IOException("tls.client_ca_file holds no certificate (-----BEGIN CERTIFICATE-----)");
                }
            }

            return new State(SslStreamCertificateContext.Create(certificate, all, offline: true), authorities);
        }
        catch (Exception failure) when (failure is CryptographicException or ArgumentException)
        {
            throw new IOException(
                $"the certificate of tls.certificate_file or the key of tls.key_file cannot be used: {failure.Message} Make a pair with 'wayang cert issue'.", failure);
        }
    }

    private sealed record State(SslStreamCertificateContext Server, X509Certificate2Collection? Authorities);
}
