using System.Buffers;
using System.Globalization;
using System.Net.Sockets;
using System.Runtime.ExceptionServices;
using Google.Protobuf.Reflection;
using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Proto;
using Wayang.Fast.Contracts.Protobuf;
using Wayang.Fast.Gateway.Grpc.Wire;

namespace Wayang.Fast.Client;

/// <summary>
/// The same calls over gRPC: the map of parameters becomes the message of the method that stands for the operation, and its reply a map again, by the descriptors of the proto files. One
/// HTTP/2 connection; it is lost when a call finds that it is, as a connection of MessagePack-RPC.
/// </summary>
internal sealed class GrpcTransport : IClientTransport
{
    private const string Domain = "wayang.runtime";

    private static readonly ServiceDescriptor s_service = RuntimeReflection.Descriptor.Services[0];
    private static readonly Dictionary<string, Method<PooledBuffer, PooledBuffer>> s_methods = OperationTable.All
        .Select(static o => (o.Name, Method: s_service.FindMethodByName(o.Kind.ToString()))).Where(static m => m.Method is { IsServerStreaming: false })
        .ToDictionary(static m => m.Name, static m => Describe(m.Method), StringComparer.Ordinal);

    private readonly GrpcChannel _channel;
    private readonly CallInvoker _invoker;
    private readonly WayangEndpoint _endpoint;
    private readonly string? _token;
    private volatile bool _isLost;

    private GrpcTransport(GrpcChannel channel, WayangEndpoint endpoint, string? token) => (_channel, _invoker, _endpoint, _token) = (channel, channel.CreateCallInvoker(), endpoint, token);

    public bool IsLost => _isLost;

    public bool EndsAbandonedRuns => true;

    /// <summary>A connection whose node has answered, and lets the caller in.</summary>
    /// <exception cref="SocketException">Nothing answers there.</exception>
    /// <exception cref="WayangException">It does, and refuses.</exception>
    public static async Task<GrpcTransport> ConnectAsync(WayangEndpoint place, WayangClientOptions options, CancellationToken cancellation)
    {
        var handler = new SocketsHttpHandler { ConnectTimeout = options.HandshakeTimeout, UseProxy = false, AllowAutoRedirect = false, UseCookies = false };
        if (place.SocketPath is { } path)
        {
            handler.ConnectCallback = async (_, connecting) => await OpenSocketAsync(path, connecting);
        }
        else if (place.IsTls)
        {
            handler.SslOptions = ClientCertificates.For(options.CertificateName ?? place.Host, options.Certificates, options.CertificateFingerprint);
        }

        var host = place.SocketPath is null ? string.Create(CultureInfo.InvariantCulture, $"{(place.Host.Contains(':', StringComparison.Ordinal) ? $"[{place.Host}]" : place.Host)}:{place.Port}") : "localhost";
        var channel = GrpcChannel.ForAddress($"{(place.IsTls ? "https" : "http")}://{host}", new GrpcChannelOptions
        {
            HttpHandler = handler, DisposeHttpClient = true, MaxReceiveMessageSize = options.Frame.MaxBytes, MaxSendMessageSize = null, MaxRetryAttempts = null,
        });
        var transport = new GrpcTransport(channel, place, options.Token);
        try
        {
            // Each call shows the token; this one is open to whoever has any, and tells at once whether it is known.
            await transport.AskAsync("node.info", static (ref writer) => writer.WriteMapHeader(0), cancellation);
            return transport;
        }
        catch (WayangException refused) when (refused.InnerException?.InnerException is HttpRequestException { InnerException: SocketException unreached })
        {
            transport.Dispose();
            ExceptionDispatchInfo.Throw(unreached);
            throw;
        }
        catch
        {
            transport.Dispose();
            throw;
        }
    }

    public async Task<T> CallAsync<T>(string operation, RequestEncoder encode, ResponseDecoder<T> decode, CancellationToken cancellation)
        where T : class
    {
        using var map = await AskAsync(operation, encode, cancellation);
        return Decode(map.WrittenSpan, decode) ?? throw new WayangException(ErrorCode.Internal, "The node's answer is not understood: are both of the same version?");
    }

    public void Dispose()
    {
        _isLost = true;
        _channel.Dispose();
    }

    private static T? Decode<T>(ReadOnlySpan<byte> map, ResponseDecoder<T> decode)
        where T : class
    {
        var reader = new MessagePackReader(map);
        return decode(ref reader);
    }

    private async Task<PooledBuffer> AskAsync(string operation, RequestEncoder encode, CancellationToken cancellation)
    {
        if (!s_methods.TryGetValue(operation, out var method))
        {
            throw new WayangException(ErrorCode.UnknownOperation, $"{operation} is not spoken over gRPC.");
        }

        using var parameters = new PooledBuffer(512);
        var writer = new MessagePackWriter(parameters);
        encode(ref writer);
        writer.Commit();
        var options = new CallOptions(_token is null ? null : new Metadata { { "authorization", "Bearer " + _token } }, cancellationToken: cancellation);
        try
        {
            if (method.Type == MethodType.Unary)
            {
                using var call = _invoker.AsyncUnaryCall(method, host: null, options, parameters);
                return await call.ResponseAsync;
            }

            using var stream = _invoker.AsyncClientStreamingCall(method, host: null, options);
            await stream.RequestStream.WriteAsync(parameters, cancellation);
            await stream.RequestStream.CompleteAsync();
            return await stream.ResponseAsync;
        }
        catch (RpcException failure)
        {
            cancellation.ThrowIfCancellationRequested();
            throw Understand(failure);
        }
        catch (ObjectDisposedException closed)
        {
            throw new WayangException(ErrorCode.NodeLost, "The client was closed while the call was pending.", closed);
        }
    }

    /// <summary>The node's refusal, as it stands in the details of the status; without them no node has spoken.</summary>
    private WayangException Understand(RpcException failure)
    {
        if (failure.GetRpcStatus() is { } status && status.GetDetail<ErrorInfo>() is { Domain: Domain } info
            && WireNames.TryParse<ErrorCode>(info.Reason.ToLowerInvariant(), out var code))
        {
            return new WayangException(new OperationError(
                code, status.Message, status.GetDetail<BadRequest>()?.FieldViolations.FirstOrDefault()?.Field, (int?)status.GetDetail<RetryInfo>()?.RetryDelay.ToTimeSpan().TotalMilliseconds));
        }

        switch (failure.Status.DebugException)
        {
            case HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError } untrusted:
                return new WayangException(
                    ErrorCode.Unauthenticated, $"{_endpoint} was reached, and no encrypted connection came of it: {untrusted.InnerException?.Message ?? untrusted.Message} Is tls.certificate_file set there, for this name, and is its authority believed here?", failure);
            case HttpRequestException { InnerException: SocketException }:
                _isLost = true;
                return new WayangException(ErrorCode.Unavailable, $"No runtime answers at {_endpoint}.", failure.Status.DebugException is { } cause ? new IOException(cause.Message, cause) : failure);
            case WayangException refused:
                return refused;
            default:
                _isLost = true;
                return new WayangException(ErrorCode.NodeLost, $"The connection to the node was lost while the call was pending ({failure.StatusCode}: {failure.Status.Detail}).", failure);
        }
    }

    private static Method<PooledBuffer, PooledBuffer> Describe(MethodDescriptor method)
    {
        var (request, reply) = (ProtoShapes.Of(method.InputType), ProtoShapes.Of(method.OutputType));
        return new Method<PooledBuffer, PooledBuffer>(
            method.IsClientStreaming ? MethodType.ClientStreaming : MethodType.Unary, s_service.FullName, method.Name,
            new Marshaller<PooledBuffer>((map, context) => Write(request, map, context), static _ => throw new NotSupportedException("The client reads no requests.")),
            new Marshaller<PooledBuffer>(static (_, _) => throw new NotSupportedException("The client sends no replies."), context => Read(reply, context.PayloadAsReadOnlySequence())));
    }

    private static void Write(ProtoShape shape, PooledBuffer map, SerializationContext context)
    {
        using var message = new PooledBuffer(map.Count + 64);
        MessageWriter.Translate(shape, map.WrittenSpan, message);
        context.SetPayloadLength(message.Count);
        context.GetBufferWriter().Write(message.WrittenSpan);
        context.Complete();
    }

    private static PooledBuffer Read(ProtoShape shape, ReadOnlySequence<byte> message)
    {
        var map = new PooledBuffer((int)Math.Min(message.Length + 64, int.MaxValue));
        var refusal = MessageReader.TranslateReply(shape, message.IsSingleSegment ? message.FirstSpan : message.ToArray(), map);
        return refusal is null ? map : throw new InvalidDataException(refusal.Message);
    }

    private static async Task<Stream> OpenSocketAsync(string path, CancellationToken cancellation)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation);
            RpcChannel.CheckOwner(socket, path);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
