using Wayang.Fast.Client;

namespace Wayang.Fast.Host.Configuration;

/// <content>Doors over HTTP beside the one for health.</content>
public static partial class ConfigurationKeys
{
    private static IEnumerable<ConfigurationKey> OfDoors() =>
    [
        .. OfDoor("grpc", "gRPC (wayang.runtime.v1)", DoorSettings.GrpcPort, "/run/wayang/grpc.sock", static s => s.Grpc, static (s, d) => s with { Grpc = d }),
        .. OfDoor("rest", "REST (/v1)", DoorSettings.RestPort, "/run/wayang/rest.sock", static s => s.Rest, static (s, d) => s with { Rest = d }),
    ];

    private static IEnumerable<ConfigurationKey> OfDoor(
        string section, string name, int port, string socket, Func<FileSettings, DoorSettings> read, Func<FileSettings, DoorSettings, FileSettings> apply) =>
    [
        new($"{section}.address", KeyKind.Address, $"{name} over TCP, for those who show a token of rpc_tcp.tokens_file; without an address there is none.")
        {
            Change = KeyChange.Restart,
            DefaultPort = port,
            Read = s => read(s).Address?.ToString() ?? string.Empty,
            Apply = (s, v) => apply(s, read(s) with { Address = RpcTcpSettings.ParseAddress(v.Text) }),
            DefaultWords = "none",
            Sample = $"127.0.0.1:{Text(port)}",
        },
        new($"{section}.allow_remote", KeyKind.Flag, $"Lets {section}.address be one that other hosts reach; without tls.certificate_file nothing there is encrypted.")
        {
            Change = KeyChange.Restart,
            Read = s => read(s).AllowRemote ? "true" : "false",
            Apply = (s, v) => apply(s, read(s) with { AllowRemote = v.Number == 1 }),
        },
        new($"{section}.socket", KeyKind.Path, $"{name} on a unix socket, for those who may use the other one; its directory must exist.")
        {
            Minimum = 1,
            Maximum = SocketPaths.MaxBytes,
            Change = KeyChange.Restart,
            Read = s => read(s).SocketPath ?? string.Empty,
            Apply = (s, v) => apply(s, read(s) with { SocketPath = v.Text }),
            DefaultWords = "none",
            Sample = socket,
        },
    ];
}
