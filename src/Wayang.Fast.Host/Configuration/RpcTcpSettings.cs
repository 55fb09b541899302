using System.Net;

using Wayang.Fast.Gateway.MessagePackRpc;

namespace Wayang.Fast.Host.Configuration;

/// <summary>The section <c>rpc_tcp</c>: MessagePack-RPC over TCP, off unless an address is given.</summary>
public sealed record RpcTcpSettings
{
    /// <summary>Null: no TCP.</summary>
    public IPEndPoint? Address { get; init; }

    /// <summary>Absolute path of the file that 'wayang token' writes.</summary>
    public string? TokensFile { get; init; }

    /// <summary>Whether other hosts may reach it.</summary>
    public bool AllowRemote { get; init; }

    /// <summary>Reads ADDRESS[:PORT]; an address of version 6 with a port stands in brackets. Null when it is none.</summary>
    public static IPEndPoint? ParseAddress(string text, int defaultPort = RpcTcpOptions.DefaultPort)
    {
        const string localhost = "localhost";
        var numeric = text.StartsWith(localhost, StringComparison.OrdinalIgnoreCase) ? "127.0.0.1" + text[localhost.Length..] : text;
        if (!IPEndPoint.TryParse(numeric, out var place))
        {
            return null;
        }

        return place.Port == 0 && !numeric.EndsWith(":0", StringComparison.Ordinal) ? new IPEndPoint(place.Address, defaultPort) : place;
    }

    /// <summary>What is wrong with the section as a whole: the key and the reason; null when it can be served.</summary>
    /// <param name="hasPeers">Other nodes come, who show no token.</param>
    public (string Key, string Reason)? Fault(bool hasPeers = false) => Address switch
    {
        null => null,
        _ when TokensFile is null && !hasPeers =>
            ("rpc_tcp.tokens_file", "is needed beside rpc_tcp.address: who comes over TCP shows a token. Make a file with 'wayang token create --name NAME --file FILE'"),
        _ when !AllowRemote && !IPAddress.IsLoopback(Address.Address) =>
            ("rpc_tcp.address", $"{Address} can be reached from other hosts, and without tls.certificate_file what travels there is not encrypted: listen on 127.0.0.1, or say that it is meant so with 'allow_remote: true'"),
        _ => null,
    };
}
