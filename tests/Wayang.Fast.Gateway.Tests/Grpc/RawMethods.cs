using Grpc.Core;

namespace Wayang.Fast.Gateway.Tests.Grpc;

/// <summary>Methods whose messages are bytes, to send what no generated client would.</summary>
internal static class RawMethods
{
    private static readonly Marshaller<byte[]> s_bytes = new(static bytes => bytes, static bytes => bytes);

    public static Method<byte[], byte[]> Of(string name, MethodType type = MethodType.Unary) => new(type, "wayang.runtime.v1.Runtime", name, s_bytes, s_bytes);
}
