using System.CommandLine;

using Wayang.Fast.Client;

namespace Wayang.Fast.Host.Cli;

/// <summary>
/// The runtime that the command line or the environment names instead of this user's own: read once, before the command
/// runs, so that every command reaches it alike.
/// </summary>
internal static class RemoteRuntime
{
    public const string EndpointVariable = "WAYANG_ENDPOINT";
    public const string TokenVariable = "WAYANG_TOKEN";
    public const string AuthorityVariable = "WAYANG_CA_FILE";
    public const string CertificateVariable = "WAYANG_CERT_FILE";
    public const string KeyVariable = "WAYANG_KEY_FILE";

    private const int MaxTokenBytes = 4_096;

    /// <summary>Null: the runtime of this user, or the one at --socket.</summary>
    public static WayangClientOptions? Current { get; private set; }

    /// <exception cref="CommandException">What is named is no endpoint, or its token cannot be read.</exception>
    public static void Read(ParseResult result)
    {
        Current = null;
        var socket = result.GetValue(ClientOptions.Socket);
        var given = result.GetValue(ClientOptions.Endpoint);
        if (given is not null && socket is not null)
        {
            throw new CommandException("--socket and --endpoint name two runtimes", "Give one of them.", ExitCodes.Usage);
        }

        var text = given ?? Environment.GetEnvironmentVariable(EndpointVariable);
        if (socket is not null || string.IsNullOrEmpty(text))
        {
            return;
        }

        var endpoint = WayangEndpoint.TryParse(text) ?? throw new CommandException(
            $"'{text}' is no endpoint ({(given is null ? EndpointVariable : "--endpoint")})", "Write tcp://HOST:PORT or tls://HOST:PORT, for example tcp://127.0.0.1:7800, or unix:///PATH.", ExitCodes.Usage);
        var token = ReadToken(result.GetValue(ClientOptions.TokenFile));
        var certificates = endpoint.IsTls ? ReadCertificates(result) : null;
        if (endpoint.IsTcp && token is null && certificates?.ShowsOne != true)
        {
            throw new CommandException(
                $"{endpoint} asks for a token, and none was given",
                $"Make one on its host with 'wayang token create'; then give --token-file FILE, or set {TokenVariable}{(endpoint.IsTls ? "; or give --cert-file, a certificate that it knows" : string.Empty)}.", ExitCodes.Usage);
        }

        Current = new WayangClientOptions { Endpoint = endpoint, Token = token, Certificates = certificates };
    }

    private static ClientCertificates ReadCertificates(ParseResult result)
    {
        string? FileOf(Option<string?> option, string variable) =>
            result.GetValue(option) ?? (Environment.GetEnvironmentVariable(variable) is { Length: > 0 } path ? path : null);
        try
        {
            return ClientCertificates.Read(
                FileOf(ClientOptions.AuthorityFile, AuthorityVariable), FileOf(ClientOptions.CertificateFile, CertificateVariable), FileOf(ClientOptions.KeyFile, KeyVariable));
        }
        catch (WayangException fault)
        {
            throw new CommandException(fault.Message, "'wayang cert init' and 'wayang cert issue' make such files.", ExitCodes.Usage);
        }
    }

    private static string? ReadToken(string? file)
    {
        if (file is null)
        {
            return Environment.GetEnvironmentVariable(TokenVariable)?.Trim() is { Length: > 0 } token ? token : null;
        }

        try
        {
            if (new FileInfo(file) is { Exists: true, Length: > MaxTokenBytes })
            {
                throw new CommandException($"{file}: too long for a token", "A file of a token holds the one line that 'wayang token create' printed.", ExitCodes.Usage);
            }

            var lines = File.ReadAllText(file).Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
            return lines.Length == 1 && !lines[0].Contains(' ', StringComparison.Ordinal)
                ? lines[0]
                : throw new CommandException(
                    $"{file}: {lines.Length} lines, and not the one word that a token is",
                    "--token-file names a file with the one line that 'wayang token create' printed, not the node's file of tokens.", ExitCodes.Usage);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new CommandException($"{file}: the token cannot be read: {fault.Message}", "Give a readable file that holds the token.", ExitCodes.Usage);
        }
    }
}
