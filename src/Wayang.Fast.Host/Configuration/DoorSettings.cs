using System.Net;

namespace Wayang.Fast.Host.Configuration;

/// <summary>A section of a door over HTTP (<c>grpc</c>, <c>rest</c>): off unless an address or a socket is given.</summary>
public sealed record DoorSettings
{
    public const int GrpcPort = 7802;
    public const int RestPort = 7803;

    /// <summary>Null: no TCP.</summary>
    public IPEndPoint? Address { get; init; }

    /// <summary>Whether other hosts may reach the address.</summary>
    public bool AllowRemote { get; init; }

    /// <summary>Null: no unix socket.</summary>
    public string? SocketPath { get; init; }

    public bool IsOpen => Address is not null || SocketPath is not null;

    /// <summary>What is wrong with the section as a whole: the key and the reason; null when it can be served.</summary>
    public (string Key, string Reason)? Fault(string section, string? tokensFile) => Address switch
    {
        null => null,
        _ when tokensFile is null =>
            ("rpc_tcp.tokens_file", $"is needed beside {section}.address: who comes over TCP shows a token. Make a file with 'wayang token create --name NAME --file FILE'"),
        _ when !AllowRemote && !IPAddress.IsLoopback(Address.Address) =>
            ($"{section}.address", $"{Address} can be reached from other hosts, and without tls.certificate_file what travels there is not encrypted: listen on 127.0.0.1, or say that it is meant so with 'allow_remote: true'"),
        _ => null,
    };
}
