using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Client;

/// <summary>Opens the connection on which one call travels between this node and another (<see cref="CallStream"/>).</summary>
internal static class CallConnection
{
    /// <param name="options">As of the node's connection; it speaks TLS.</param>
    /// <param name="direction">In which it travels.</param>
    /// <param name="handover">By which hand-over.</param>
    /// <param name="patience">So long who sends on it waits for the other node.</param>
    /// <param name="cancellation">It is not wanted any more.</param>
    /// <returns>Behind the answer that it is ready.</returns>
    /// <exception cref="WayangException">It is not reached, or refuses.</exception>
    public static async Task<Stream> OpenAsync(WayangClientOptions options, CallDirection direction, string handover, TimeSpan patience, CancellationToken cancellation)
    {
        var place = options.Endpoint ?? throw new ArgumentException("a call goes to a node with an address", nameof(options));
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        SslStream? stream = null;
        try
        {
            await socket.ConnectAsync(place.Host, place.Port, cancellation);
            var milliseconds = (int)patience.TotalMilliseconds;
            stream = new SslStream(new GatheringStream(new NetworkStream(socket, ownsSocket: true) { ReadTimeout = milliseconds, WriteTimeout = milliseconds }), leaveInnerStreamOpen: false);
            var authentication = ClientCertificates.For(options.CertificateName ?? place.Host, options.Certificates, options.CertificateFingerprint);
            authentication.ApplicationProtocols = [CallStream.Protocol];
            await stream.AuthenticateAsClientAsync(authentication, cancellation);
            if (stream.NegotiatedApplicationProtocol != CallStream.Protocol)
            {
                throw new WayangException(ErrorCode.Unsupported, "it knows no connections of calls: run the same release on both");
            }

            await stream.WriteAsync(CallStream.Preface(direction, handover), cancellation);
            var word = await CallWord.ReadAsync(stream, cancellation);
            return word.Kind == CallWordKind.Ready ? stream
                : throw (word.Refusal is { } refusal ? new WayangException(refusal) : new WayangException(ErrorCode.Internal, "it answered something else"));
        }
        catch (Exception failure)
        {
            await (stream?.DisposeAsync() ?? ValueTask.CompletedTask);
            socket.Dispose();
            if (failure is IOException or SocketException or AuthenticationException or InvalidDataException)
            {
                throw new WayangException(ErrorCode.NodeLost, $"no connection for the call came of it: {failure.Message}", failure);
            }

            throw;
        }
    }
}
