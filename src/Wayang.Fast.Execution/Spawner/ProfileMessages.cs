using System.Buffers.Binary;
using System.Text;
using Wayang.Fast.Execution.Isolation;

namespace Wayang.Fast.Execution.Spawner;

/// <summary>What the spawner tells of a profile's network: PROFILE_NETWORK.</summary>
/// <param name="IsUsable">False: the policy does not allow the host's network.</param>
internal sealed record ProfileNetwork(string Profile, NetworkLevel Level, bool IsUsable, IReadOnlyList<string> Destinations);

/// <summary>PROFILE_DEFINE, WORKER_NETWORK and PROFILE_NETWORK of <c>native/spawner/protocol.h</c>.</summary>
internal static class ProfileMessages
{
    public const int DefineBytes = 248;
    public const int NetworkBytes = 80;
    public const int WorkerRefBytes = 8;
    public const int MaxNames = 128;
    private const uint Keep = 0xFFFFFFFF;
    private const int MaxDestinations = 32;

    /// <returns>0 when it has more paths and calls than the protocol takes.</returns>
    public static int Define(Span<byte> buffer, ulong request, DerivedProfile profile)
    {
        var names = profile.Paths.Concat(profile.DeniedCalls).ToList();
        var tail = Encoding.UTF8.GetBytes(string.Concat(names.Select(static n => n + "\0")));
        if (names.Count > MaxNames || tail.Length > ProtocolLayout.MaxBytes - ProtocolLayout.HeaderBytes - DefineBytes)
        {
            return 0;
        }

        var body = MessageWriter.Begin(buffer, MessageType.ProfileDefine, DefineBytes + tail.Length, 0, request);
        MessageWriter.WriteName(body, profile.Name);
        MessageWriter.WriteName(body[ProtocolLayout.NameBytes..], profile.Base);
        var rest = body[(2 * ProtocolLayout.NameBytes)..];
        BinaryPrimitives.WriteInt64LittleEndian(rest, profile.MemoryBytes);
        BinaryPrimitives.WriteInt64LittleEndian(rest[8..], profile.TmpfsBytes);
        BinaryPrimitives.WriteInt64LittleEndian(rest[16..], profile.FileBytes ?? 0);
        BinaryPrimitives.WriteInt32LittleEndian(rest[24..], profile.Pids);
        BinaryPrimitives.WriteInt32LittleEndian(rest[28..], profile.OpenFiles);
        BinaryPrimitives.WriteUInt32LittleEndian(rest[32..], profile.Network is { } level ? (uint)level : Keep);
        BinaryPrimitives.WriteUInt32LittleEndian(rest[36..], profile.FileBytes == 0 ? 1u : 0u);
        BinaryPrimitives.WriteInt32LittleEndian(rest[40..], profile.Paths.Count);
        BinaryPrimitives.WriteInt32LittleEndian(rest[44..], profile.DeniedCalls.Count);
        MessageWriter.WriteName(rest[48..], profile.Root ?? string.Empty);
        BinaryPrimitives.WriteUInt32LittleEndian(rest[112..], profile.Overlay ? 1u : 0u);
        BinaryPrimitives.WriteUInt32LittleEndian(rest[116..], (uint)profile.Runtime);
        tail.CopyTo(rest[120..]);
        return ProtocolLayout.HeaderBytes + DefineBytes + tail.Length;
    }

    public static int WorkerNetwork(Span<byte> buffer, ulong worker)
    {
        var body = MessageWriter.Begin(buffer, MessageType.WorkerNetwork, WorkerRefBytes, 1, worker);
        BinaryPrimitives.WriteUInt64LittleEndian(body, worker);
        return ProtocolLayout.HeaderBytes + WorkerRefBytes;
    }

    public static bool TryReadNetwork(ReadOnlySpan<byte> body, out ProfileNetwork? network)
    {
        network = null;
        if (body.Length < NetworkBytes)
        {
            return false;
        }

        var level = BinaryPrimitives.ReadUInt32LittleEndian(body[64..]);
        var count = BinaryPrimitives.ReadUInt32LittleEndian(body[68..]);
        var tail = body[NetworkBytes..];
        if (level > (uint)NetworkLevel.Host || count > MaxDestinations || (tail.Length > 0 && tail[^1] != 0))
        {
            return false;
        }

        var destinations = Encoding.ASCII.GetString(tail).Split('\0', StringSplitOptions.RemoveEmptyEntries);
        network = new ProfileNetwork(
            MessageReader.ReadText(body[..ProtocolLayout.NameBytes]), (NetworkLevel)level, BinaryPrimitives.ReadUInt32LittleEndian(body[72..]) != 0, destinations);
        return destinations.Length == count;
    }
}
