#pragma warning disable CA1416 // The runtime is Linux only: files have modes here.
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Wayang.Fast.Gateway.Auth;

/// <summary>An authority of one's own, for nodes and their callers: a key and a certificate (ECDSA P-256) in a directory, and what it signs beside them. Keys have mode 0600.</summary>
public sealed class PrivateAuthority(string directory)
{
    private const string ServerUsage = "1.3.6.1.5.5.7.3.1";
    private const string ClientUsage = "1.3.6.1.5.5.7.3.2";
    private const int SerialBytes = 16;
    private static readonly TimeSpan s_clockSkew = TimeSpan.FromMinutes(5);

    public string CertificatePath => Path.Combine(directory, "ca.pem");

    public string KeyPath => Path.Combine(directory, "ca-key.pem");

    /// <summary>Makes the authority; never over one that is there.</summary>
    /// <exception cref="IOException">There is one already, or it cannot be written.</exception>
    public void Create(string name, TimeSpan validity)
    {
        Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(Named(name), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: true, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        var now = DateTimeOffset.UtcNow;
        using var certificate = request.CreateSelfSigned(now - s_clockSkew, now + validity);
        Write(KeyPath, key.ExportPkcs8PrivateKeyPem(), isSecret: true);
        Write(CertificatePath, certificate.ExportCertificatePem(), isSecret: false);
    }

    /// <summary>Signs a fresh key's certificate: NAME.pem and NAME-key.pem, never over files that are there.</summary>
    /// <param name="name">The common name, and its first DNS name.</param>
    /// <param name="isServer">For a node; else for a caller.</param>
    /// <param name="isPeer">For a node that also comes to others, as their peer.</param>
    /// <param name="alsoKnownAs">DNS names and addresses beside the name.</param>
    /// <param name="validity">Cut to what is left of the authority's.</param>
    /// <exception cref="IOException">The authority cannot be read, or the files not be written.</exception>
    public (string Certificate, string Key, DateTimeOffset Until) Issue(string name, bool isServer, IEnumerable<string> alsoKnownAs, TimeSpan validity, bool isPeer = false)
    {
        using var authority = Read();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(Named(name), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: false, hasPathLengthConstraint: false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension(isPeer ? [new Oid(ServerUsage), new Oid(ClientUsage)] : [new Oid(isServer ? ServerUsage : ClientUsage)], critical: false));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(authority, includeKeyIdentifier: true, includeIssuerAndSerial: false));
        request.CertificateExtensions.Add(Names(name, alsoKnownAs));
        var from = DateTimeOffset.UtcNow - s_clockSkew;
        var begin = new DateTimeOffset(authority.NotBefore);
        var end = new DateTimeOffset(authority.NotAfter);
        var until = DateTimeOffset.UtcNow + validity is var wanted && wanted < end ? wanted : end;
        using var certificate = request.Create(authority, from > begin ? from : begin, until, RandomNumberGenerator.GetBytes(SerialBytes));
        var files = (Path.Combine(directory, name + ".pem"), Path.Combine(directory, name + "-key.pem"), until);
        Write(files.Item2, key.ExportPkcs8PrivateKeyPem(), isSecret: true);
        Write(files.Item1, certificate.ExportCertificatePem(), isSecret: false);
        return files;
    }

    private static X500DistinguishedName Named(string name)
    {
        var built = new X500DistinguishedNameBuilder();
        built.AddCommonName(name);
        return built.Build();
    }

    private static X509Extension Names(string name, IEnumerable<string> others)
    {
        var names = new SubjectAlternativeNameBuilder();
        foreach (var each in others.Prepend(name).Distinct(StringComparer.Ordinal))
        {
            if (IPAddress.TryParse(each, out var address))
            {
                names.AddIpAddress(address);
            }
            else
            {
                names.AddDnsName(each);
            }
        }

        return names.Build();
    }

    private X509Certificate2 Read()
    {
        try
        {
            return X509Certificate2.CreateFromPemFile(CertificatePath, KeyPath);
        }
        catch (Exception failure) when (failure is CryptographicException or FileNotFoundException or DirectoryNotFoundException or ArgumentException)
        {
            throw new IOException($"there is no authority in {directory} that can be used: {failure.Message} Make one with 'wayang cert init --dir {directory}'.", failure);
        }
    }

    private static void Write(string path, string pem, bool isSecret)
    {
        using var stream = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.CreateNew, Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | (isSecret ? UnixFileMode.None : UnixFileMode.GroupRead | UnixFileMode.OtherRead),
        });
        stream.Write(System.Text.Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{pem}\n")));
        stream.Flush(flushToDisk: true);
    }
}
