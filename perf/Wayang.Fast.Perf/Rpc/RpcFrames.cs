using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Perf.Rpc;

/// <summary>Requests, encoded before anything is measured.</summary>
internal static class RpcFrames
{
    // As long as those of a connection that has lived for a while.
    private const uint AnyId = 0x10000;

    /// <param name="image">Its name or hash.</param>
    /// <param name="function">What is called.</param>
    /// <param name="payloadBytes">Zeros that it gets.</param>
    /// <param name="taskClass">Null: the node's default.</param>
    public static byte[] Run(string image, string function, int payloadBytes, TaskClass? taskClass = null)
    {
        using var buffer = new PooledBuffer(256 + payloadBytes);
        var writer = new MessagePackWriter(buffer);
        writer.WriteArrayHeader(4);
        writer.WriteUInt64(0);
        writer.WriteUInt64(AnyId);
        writer.WriteString("task.run"u8);
        writer.WriteArrayHeader(1);
        writer.WriteMapHeader(taskClass is null ? 4 : 5);
        writer.WriteString("kind"u8);
        writer.WriteString("call"u8);
        writer.WriteString("image"u8);
        writer.WriteString(image);
        writer.WriteString("function"u8);
        writer.WriteString(function);
        writer.WriteString("data"u8);
        writer.WriteBinary(new byte[payloadBytes]);
        if (taskClass is { } wanted)
        {
            writer.WriteString("class"u8);
            writer.WriteString(WireNames.Text(wanted));
        }

        writer.Commit();
        return buffer.WrittenSpan.ToArray();
    }

    public static byte[] Session(string token)
    {
        using var buffer = new PooledBuffer(256);
        var writer = new MessagePackWriter(buffer);
        writer.WriteArrayHeader(4);
        writer.WriteUInt64(0);
        writer.WriteUInt64(1);
        writer.WriteString("session.open"u8);
        writer.WriteArrayHeader(1);
        writer.WriteMapHeader(1);
        writer.WriteString("token"u8);
        writer.WriteString(token);
        writer.Commit();
        return buffer.WrittenSpan.ToArray();
    }
}
