using System.Buffers.Binary;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Checkpoints;

/// <summary>What of a written-down call's worker is known before its memory: how its channel is made. A worker can be made for it while the memory is on its way.</summary>
internal sealed record WorkerShape(ChannelGeometry Geometry, int Concurrency)
{
    /// <summary>Of an encoded one.</summary>
    public const int Bytes = (6 * sizeof(int)) + (2 * sizeof(long));

    public byte[] Encode()
    {
        var bytes = new byte[Bytes];
        var at = bytes.AsSpan();
        foreach (var number in (ReadOnlySpan<int>)[Concurrency, Geometry.RequestSlots, Geometry.RequestArenaBytes, Geometry.CompletionSlots, Geometry.CompletionArenaBytes, Geometry.WorkerSpin])
        {
            BinaryPrimitives.WriteInt32LittleEndian(at, number);
            at = at[sizeof(int)..];
        }

        BinaryPrimitives.WriteInt64LittleEndian(at, Geometry.MaxPayload);
        BinaryPrimitives.WriteUInt64LittleEndian(at[sizeof(long)..], Geometry.Epoch);
        return bytes;
    }

    /// <summary>The channel's own bounds are checked by whoever makes it.</summary>
    /// <exception cref="InvalidDataException">It is none.</exception>
    public static WorkerShape Decode(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != Bytes)
        {
            throw new InvalidDataException($"the shape of its worker has {bytes.Length} bytes, not {Bytes}");
        }

        Span<int> numbers = stackalloc int[6];
        for (var i = 0; i < numbers.Length; i++)
        {
            numbers[i] = BinaryPrimitives.ReadInt32LittleEndian(bytes[(i * sizeof(int))..]);
        }

        var rest = bytes[(numbers.Length * sizeof(int))..];
        return numbers[0] is < 1 or > ChannelLayout.MaxInFlight
            ? throw new InvalidDataException("the shape of its worker is none")
            : new WorkerShape(
                new ChannelGeometry
                {
                    RequestSlots = numbers[1],
                    RequestArenaBytes = numbers[2],
                    CompletionSlots = numbers[3],
                    CompletionArenaBytes = numbers[4],
                    WorkerSpin = numbers[5],
                    MaxPayload = BinaryPrimitives.ReadInt64LittleEndian(rest),
                    Epoch = BinaryPrimitives.ReadUInt64LittleEndian(rest[sizeof(long)..]),
                },
                numbers[0]);
    }
}
