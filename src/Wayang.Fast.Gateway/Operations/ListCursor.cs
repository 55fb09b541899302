using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>
/// Where a list goes on, as callers carry it: made and read here alone, and bound to the list that it was made for. It says behind what the next
/// page begins, not how many were told, so what comes or goes in between moves nothing.
/// </summary>
internal static class ListCursor
{
    private const byte OfTasks = 1;
    private const byte OfDeliveries = 2;
    private const byte OfGroups = 3;
    private const int TaskBytes = 34;
    private const int DeliveryBytes = 18;
    private const int MostBytes = 192;

    /// <summary>Places among tasks are times by a clock that begins anew with the node.</summary>
    private static readonly ulong s_boot = BinaryPrimitives.ReadUInt64LittleEndian(RandomNumberGenerator.GetBytes(sizeof(ulong)));

    public static string Of(TaskState state, TaskPlace place)
    {
        Span<byte> bytes = stackalloc byte[TaskBytes];
        bytes[0] = OfTasks;
        bytes[1] = (byte)state;
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[2..], s_boot);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[10..], place.Since);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[18..], place.Task.Low);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[26..], place.Task.High);
        return Base64Url.EncodeToString(bytes);
    }

    public static OperationError? Read(ReadOnlySpan<byte> text, TaskState state, out TaskPlace place)
    {
        place = default;
        Span<byte> bytes = stackalloc byte[MostBytes];
        if (!TryDecode(text, ref bytes) || bytes.Length != TaskBytes || bytes[0] != OfTasks)
        {
            return Unknown();
        }

        if (bytes[1] != (byte)state)
        {
            return new(ErrorCode.InvalidArgument, "'cursor' is of a list of tasks in another state: give the same 'state' with it, or begin without it.", "cursor");
        }

        if (BinaryPrimitives.ReadUInt64LittleEndian(bytes[2..]) != s_boot)
        {
            return new(ErrorCode.InvalidArgument, "'cursor' is of an earlier start of the node: begin again without it.", "cursor");
        }

        place = new(BinaryPrimitives.ReadInt64LittleEndian(bytes[10..]), new TaskId(High: BinaryPrimitives.ReadUInt64LittleEndian(bytes[26..]), Low: BinaryPrimitives.ReadUInt64LittleEndian(bytes[18..])));
        return null;
    }

    public static string Of(string webhook, long place)
    {
        Span<byte> bytes = stackalloc byte[DeliveryBytes];
        bytes[0] = OfDeliveries;
        HashOf(webhook, bytes[1..10]);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[10..], place);
        return Base64Url.EncodeToString(bytes);
    }

    public static OperationError? Read(ReadOnlySpan<byte> text, string webhook, out long place)
    {
        place = 0;
        Span<byte> bytes = stackalloc byte[MostBytes];
        if (!TryDecode(text, ref bytes) || bytes.Length != DeliveryBytes || bytes[0] != OfDeliveries)
        {
            return Unknown();
        }

        Span<byte> hash = stackalloc byte[9];
        HashOf(webhook, hash);
        if (!hash.SequenceEqual(bytes[1..10]))
        {
            return new(ErrorCode.InvalidArgument, "'cursor' is of another webhook's deliveries.", "cursor");
        }

        place = BinaryPrimitives.ReadInt64LittleEndian(bytes[10..]);
        return null;
    }

    /// <summary>Of groups: behind a name.</summary>
    public static string OfGroup(string name)
    {
        var utf8 = Encoding.UTF8.GetBytes(name);
        return Base64Url.EncodeToString((byte[])[OfGroups, .. utf8]);
    }

    public static OperationError? ReadGroup(ReadOnlySpan<byte> text, out string? name)
    {
        name = null;
        Span<byte> bytes = stackalloc byte[MostBytes];
        if (!TryDecode(text, ref bytes) || bytes.Length < 2 || bytes[0] != OfGroups)
        {
            return Unknown();
        }

        name = Encoding.UTF8.GetString(bytes[1..]);
        return null;
    }

    private static bool TryDecode(ReadOnlySpan<byte> text, ref Span<byte> bytes)
    {
        if (Base64Url.GetMaxDecodedLength(text.Length) > bytes.Length || !Base64Url.IsValid(text) || !Base64Url.TryDecodeFromUtf8(text, bytes, out var length))
        {
            return false;
        }

        bytes = bytes[..length];
        return length > 0;
    }

    private static void HashOf(string webhook, Span<byte> hash)
    {
        Span<byte> whole = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(webhook), whole);
        whole[..hash.Length].CopyTo(hash);
    }

    private static OperationError Unknown() => new(ErrorCode.InvalidArgument, "'cursor' is none that this list gave: give back the 'next' of the page before, or begin without it.", "cursor");
}
