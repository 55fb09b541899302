namespace Wayang.Fast.Host.Configuration;

/// <content>What the doors show over TCP, and whom they believe.</content>
public static partial class ConfigurationKeys
{
    private static IEnumerable<ConfigurationKey> OfTls() =>
    [
        new("tls.certificate_file", KeyKind.Path, "What all doors show over TCP, as PEM, with the authorities between it and the root; without it nothing there is encrypted.")
        {
            Minimum = 1,
            Maximum = LongestPath,
            Change = KeyChange.Restart,
            Read = static s => s.Tls.CertificateFile ?? string.Empty,
            Apply = static (s, v) => s with { Tls = s.Tls with { CertificateFile = v.Text } },
            DefaultWords = "none",
            Sample = "/etc/wayang/pki/node.pem",
        },
        new("tls.key_file", KeyKind.Path, "Its key, as PEM, closed to all but who starts the runtime.")
        {
            Minimum = 1,
            Maximum = LongestPath,
            Change = KeyChange.Restart,
            Read = static s => s.Tls.KeyFile ?? string.Empty,
            Apply = static (s, v) => s with { Tls = s.Tls with { KeyFile = v.Text } },
            DefaultWords = "none",
            Sample = "/etc/wayang/pki/node-key.pem",
        },
        new("tls.client_ca_file", KeyKind.Path, "Callers may show a certificate of this authority instead of a token; the file of tokens has a line for each.")
        {
            Minimum = 1,
            Maximum = LongestPath,
            Change = KeyChange.Restart,
            Read = static s => s.Tls.ClientAuthorityFile ?? string.Empty,
            Apply = static (s, v) => s with { Tls = s.Tls with { ClientAuthorityFile = v.Text } },
            DefaultWords = "none",
            Sample = "/etc/wayang/pki/ca.pem",
        },
        new("tls.require_client_certificate", KeyKind.Flag, "Who shows no certificate of tls.client_ca_file is not let in, token or not.")
        {
            Change = KeyChange.Restart,
            Read = static s => s.Tls.RequireClient ? "true" : "false",
            Apply = static (s, v) => s with { Tls = s.Tls with { RequireClient = v.Number == 1 } },
        },
    ];
}
