using System.Buffers;
using Grpc.Core;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Protobuf;

namespace Wayang.Fast.Gateway.Grpc;

/// <summary>A request as the desk takes it: the map of its parameters, or what is wrong with it.</summary>
internal sealed class GrpcRequest : IDisposable
{
    private readonly PooledBuffer _map;

    private GrpcRequest(PooledBuffer map, OperationError? refusal)
    {
        _map = map;
        Refusal = refusal;
    }

    public OperationError? Refusal { get; }

    public ReadOnlyMemory<byte> Map => _map.WrittenMemory;

    public static Marshaller<GrpcRequest> MarshallerOf(ProtoShape shape) => new(
        static (_, _) => throw new NotSupportedException("The node sends no requests."),
        context => Read(shape, context.PayloadAsReadOnlySequence()));

    /// <summary>It may have held secrets.</summary>
    public void Dispose()
    {
        _map.Wipe();
        _map.Dispose();
    }

    internal static GrpcRequest Read(ProtoShape shape, ReadOnlySequence<byte> message)
    {
        var map = new PooledBuffer((int)Math.Min(message.Length + 64, int.MaxValue));
        if (message.IsSingleSegment)
        {
            return new(map, MessageReader.Translate(shape, message.FirstSpan, map));
        }

        var whole = ArrayPool<byte>.Shared.Rent((int)message.Length);
        try
        {
            message.CopyTo(whole);
            return new(map, MessageReader.Translate(shape, whole.AsSpan(0, (int)message.Length), map));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(whole, clearArray: true);
        }
    }
}

/// <summary>A reply, encoded.</summary>
internal sealed class GrpcReply(PooledBuffer message)
{
    public static Marshaller<GrpcReply> Marshaller { get; } = new(
        static (reply, context) => reply.Write(context),
        static _ => throw new NotSupportedException("The node reads no replies."));

    public static GrpcReply Of(ProtoShape shape, PooledBuffer map)
    {
        var message = new PooledBuffer(map.Count + 64);
        MessageWriter.Translate(shape, map.WrittenSpan, message);
        return new GrpcReply(message);
    }

    private void Write(SerializationContext context)
    {
        context.SetPayloadLength(message.Count);
        context.GetBufferWriter().Write(message.WrittenSpan);
        context.Complete();
        message.Dispose();
    }
}
