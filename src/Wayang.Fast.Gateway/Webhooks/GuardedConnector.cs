using System.Net;
using System.Net.Sockets;

namespace Wayang.Fast.Gateway.Webhooks;

/// <summary>
/// Asks for a name's addresses once, judges each, and connects to one of exactly these: a name that says something else a moment later changes nothing.
/// </summary>
/// <param name="allowPrivate">As configured.</param>
/// <param name="resolve">Asks for the addresses of a name.</param>
internal sealed class GuardedConnector(bool allowPrivate, Func<string, CancellationToken, Task<IPAddress[]>> resolve)
{
    public static Func<string, CancellationToken, Task<IPAddress[]>> System { get; } = Dns.GetHostAddressesAsync;

    /// <exception cref="HttpRequestException">It is not to be told, or cannot be reached; the message says which.</exception>
    public async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellation)
    {
        var point = context.DnsEndPoint;
        var addresses = await ResolveAsync(point.Host, cancellation).ConfigureAwait(false);
        SocketException? last = null;
        foreach (var address in addresses)
        {
            var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(new IPEndPoint(address, point.Port), cancellation).ConfigureAwait(false);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch (SocketException failure)
            {
                last = failure;
                socket.Dispose();
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        }

        throw new HttpRequestException($"{point.Host} cannot be reached: {last?.Message ?? "it has no address"}", last);
    }

    private async Task<IPAddress[]> ResolveAsync(string host, CancellationToken cancellation)
    {
        IPAddress[] addresses;
        try
        {
            addresses = IPAddress.TryParse(host, out var literal) ? [literal] : await resolve(host, cancellation).ConfigureAwait(false);
        }
        catch (SocketException failure)
        {
            throw new HttpRequestException($"the name {host} is not known: {failure.Message}", failure);
        }

        foreach (var address in addresses)
        {
            if (AddressGuard.Refuse(address, allowPrivate) is { } what)
            {
                throw new HttpRequestException($"{host} is {address}, which is {what}: {WebhookTarget.Remedy}");
            }
        }

        return addresses;
    }
}
