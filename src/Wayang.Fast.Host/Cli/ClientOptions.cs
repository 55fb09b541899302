using System.CommandLine;

namespace Wayang.Fast.Host.Cli;

/// <summary>What every command takes.</summary>
internal static class ClientOptions
{
    public static readonly Option<string?> Socket = new("--socket")
    {
        Description = "Socket of the runtime; by default the one of this user (see 'wayang serve --help').",
        HelpName = "PATH",
        Recursive = true,
    };

    public static readonly Option<string?> Endpoint = new("--endpoint")
    {
        Description = $"A runtime elsewhere: tcp://HOST:PORT, tls://HOST:PORT (encrypted), or unix:///PATH; by default ${RemoteRuntime.EndpointVariable}.",
        HelpName = "ENDPOINT",
        Recursive = true,
    };

    public static readonly Option<string?> TokenFile = new("--token-file")
    {
        Description = $"File with the token for --endpoint tcp://... or tls://...; by default the token is ${RemoteRuntime.TokenVariable}.",
        HelpName = "FILE",
        Recursive = true,
    };

    public static readonly Option<string?> AuthorityFile = new("--ca-file")
    {
        Description = $"Who signed the node's certificate, as PEM, for --endpoint tls://...; by default ${RemoteRuntime.AuthorityVariable}, else the authorities of this host.",
        HelpName = "FILE",
        Recursive = true,
    };

    public static readonly Option<string?> CertificateFile = new("--cert-file")
    {
        Description = $"A certificate to show instead of a token, as PEM, its key in it or in --key-file; by default ${RemoteRuntime.CertificateVariable}.",
        HelpName = "FILE",
        Recursive = true,
    };

    public static readonly Option<string?> KeyFile = new("--key-file")
    {
        Description = $"The key of --cert-file; by default ${RemoteRuntime.KeyVariable}.",
        HelpName = "FILE",
        Recursive = true,
    };

    public static readonly Option<bool> Json = new("--json")
    {
        Description = "Print one JSON object instead of text.",
        Recursive = true,
    };
}
