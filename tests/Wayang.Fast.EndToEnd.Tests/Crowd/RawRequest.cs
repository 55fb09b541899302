using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Wayang.Fast.EndToEnd.Tests.Crowd;

/// <summary>Requests for <c>node.stats</c> as bytes of each door, for those who send and read them as no client would.</summary>
internal static class RawRequest
{
    private const byte Headers = 1;
    private const byte Data = 0;
    private const byte Settings = 4;
    private const byte EndHeaders = 4;
    private const byte EndStream = 1;

    /// <summary>MessagePack-RPC: [0, id, "node.stats", [{}]].</summary>
    public static byte[] Rpc(byte number) => [0x94, 0, number, 0xAA, .. "node.stats"u8, 0x91, 0x80];

    /// <summary>What a connection of TCP begins with.</summary>
    public static byte[] OpenSession(string token) => [0x94, 0, 0, 0xAC, .. "session.open"u8, 0x91, 0x81, 0xA5, .. "token"u8, 0xD9, (byte)token.Length, .. Encoding.ASCII.GetBytes(token)];

    public static byte[] Rest(string token) => Encoding.ASCII.GetBytes($"GET /v1/node/stats HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer {token}\r\n\r\n");

    /// <summary>What a connection of HTTP/2 begins with.</summary>
    public static byte[] Preface() => [.. "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8, .. Frame(Settings, 0, 0, [])];

    /// <summary>A call on a stream of its own; streams of clients have odd numbers.</summary>
    public static byte[] Grpc(string token, int stream)
    {
        var block = new List<byte>();
        foreach (var (name, value) in new[]
        {
            (":method", "POST"), (":scheme", "http"), (":path", "/wayang.runtime.v1.Runtime/NodeStats"), (":authority", "node"), ("content-type", "application/grpc"), ("te", "trailers"),
            ("authorization", "Bearer " + token),
        })
        {
            block.AddRange([0, (byte)name.Length, .. Encoding.ASCII.GetBytes(name), (byte)value.Length, .. Encoding.ASCII.GetBytes(value)]); // literal, not indexed, not packed
        }

        return [.. Frame(Headers, EndHeaders, stream, [.. block]), .. Frame(Data, EndStream, stream, new byte[5])];
    }

    /// <summary>How much memory a process has, in bytes.</summary>
    public static long ResidentBytes(int pid) =>
        long.Parse(File.ReadLines($"/proc/{pid}/status").First(static line => line.StartsWith("VmRSS:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) << 10;

    private static byte[] Frame(byte type, byte flags, int stream, byte[] payload)
    {
        var frame = new byte[9 + payload.Length];
        BinaryPrimitives.WriteUInt32BigEndian(frame, ((uint)payload.Length << 8) | type);
        frame[4] = flags;
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(5), stream);
        payload.CopyTo(frame.AsSpan(9));
        return frame;
    }
}
