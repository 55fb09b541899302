using System.Buffers.Binary;
using System.Net.Security;
using System.Text;

namespace Wayang.Fast.Contracts.Operations;

/// <summary>Which way a call goes on a connection of its own.</summary>
public enum CallDirection : byte
{
    /// <summary>Its home sends it to the node where it is to go on.</summary>
    ToHost = 1,

    /// <summary>It is written down there for its home, which takes it.</summary>
    ToHome = 2,
}

/// <summary>
/// The connection on which one call's memory travels between two nodes while it is written down: TLS to the same door as any other, told apart by its application protocol. Its home opens it, and says in which
/// direction the call goes and by which hand-over; the host answers with a <see cref="CallWord"/>. Then who sends sends pieces, and who takes answers with words.
/// <code>
/// preface: u8 direction, u8 length, the name of the hand-over
/// piece:   u32 length, u32 kind (those of a checkpoint's pieces), so many bytes
/// word:    u8 kind, u64 number; of a refusal the length of the text behind it
/// </code>
/// Little-endian.
/// </summary>
public static class CallStream
{
    /// <summary>Of the handshake. Its version is that of what follows.</summary>
    public static SslApplicationProtocol Protocol { get; } = new("wayang-call/1");

    /// <summary>Of each piece.</summary>
    public const int HeadBytes = 8;

    public static byte[] Preface(CallDirection direction, string handover)
    {
        var name = Encoding.UTF8.GetBytes(handover);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(name.Length, HandoverFields.MaxName, nameof(handover));
        return [(byte)direction, (byte)name.Length, .. name];
    }

    /// <returns>Null: it is none.</returns>
    /// <exception cref="IOException">The connection broke.</exception>
    public static async Task<(CallDirection Direction, string Handover)?> ReadPrefaceAsync(Stream from, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(from);
        var head = new byte[2];
        await from.ReadExactlyAsync(head, cancellation).ConfigureAwait(false);
        if ((CallDirection)head[0] is not (CallDirection.ToHost or CallDirection.ToHome) || head[1] is 0 or > HandoverFields.MaxName)
        {
            return null;
        }

        var name = new byte[head[1]];
        await from.ReadExactlyAsync(name, cancellation).ConfigureAwait(false);
        return ((CallDirection)head[0], Encoding.UTF8.GetString(name));
    }

    public static void WriteHead(Span<byte> head, int length, uint kind)
    {
        BinaryPrimitives.WriteInt32LittleEndian(head, length);
        BinaryPrimitives.WriteUInt32LittleEndian(head[4..], kind);
    }

    public static (int Length, uint Kind) ReadHead(ReadOnlySpan<byte> head) => (BinaryPrimitives.ReadInt32LittleEndian(head), BinaryPrimitives.ReadUInt32LittleEndian(head[4..]));
}
