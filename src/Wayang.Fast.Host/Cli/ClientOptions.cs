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
        Description = $"A runtime elsewhere: tcp://HOST:PORT, or unix:///PATH; by default ${RemoteRuntime.EndpointVariable}.",
        HelpName = "ENDPOINT",
        Recursive = true,
    };

    public static readonly Option<string?> TokenFile = new("--token-file")
    {
        Description = $"File with the token for --endpoint tcp://...; by default the token is ${RemoteRuntime.TokenVariable}.",
        HelpName = "FILE",
        Recursive = true,
    };

    public static readonly Option<bool> Json = new("--json")
    {
        Description = "Print one JSON object instead of text.",
        Recursive = true,
    };
}
