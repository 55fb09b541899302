using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Wayang.Fast.Gateway.Auth;

namespace Wayang.Fast.Gateway.Http;

/// <summary>What doors over HTTP have in common: where they listen, what they bound, how they start and end.</summary>
internal static class KestrelHost
{
    private const UnixFileMode SocketMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite;

    public static WebApplicationBuilder Create(HttpDoorOptions options, HttpProtocols protocols)
    {
        if (options.EndPoint is { } open && !options.AllowRemote && !IPAddress.IsLoopback(open.Address))
        {
            throw new IOException(
                $"{open} can be reached from other hosts, and what travels there is not encrypted. Listen on 127.0.0.1, or say that it is meant so: allow_remote: true.");
        }

        var seats = new ConnectionSeats(options);
        var builder = BareWebHost.Create();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = options.Farewell);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxConcurrentConnections = 2L * options.MaxConnections; // ConnectionSeats refuses before, in words
            kestrel.Limits.RequestHeadersTimeout = options.HeaderTimeout;
            kestrel.Limits.KeepAliveTimeout = options.IdleTimeout;
            kestrel.Limits.MinRequestBodyDataRate = new MinDataRate(options.MinBytesPerSecond, options.SlowGrace);
            kestrel.Limits.MinResponseDataRate = new MinDataRate(options.MinBytesPerSecond, options.SlowGrace);
            kestrel.Limits.MaxRequestBodySize = options.MaxMessageBytes;
            kestrel.Limits.Http2.MaxStreamsPerConnection = options.MaxStreamsPerConnection;
            kestrel.Limits.Http2.KeepAlivePingDelay = TimeSpan.FromSeconds(30);
            if (options.EndPoint is { } place)
            {
                kestrel.Listen(place, listen =>
                {
                    listen.Protocols = protocols;
                    listen.Use(next => connection => SeatAsync(seats, options, connection, next));
                    if (options.Certificates is { } certificates)
                    {
                        listen.UseHttps(new TlsHandshakeCallbackOptions { HandshakeTimeout = options.HeaderTimeout, OnConnection = _ => ValueTask.FromResult(certificates.ForConnection()) });
                    }
                });
            }

            if (options.SocketPath is { } path)
            {
                kestrel.ListenUnixSocket(path, listen =>
                {
                    listen.Protocols = protocols;
                    listen.Use(next => connection => SeatAsync(seats, options, connection, next));
                });
            }
        });
        return builder;
    }

    /// <summary>Before anything of the connection is read, its handshake too.</summary>
    private static async Task SeatAsync(ConnectionSeats seats, HttpDoorOptions options, ConnectionContext connection, ConnectionDelegate next)
    {
        using var seat = seats.Take((connection.RemoteEndPoint as IPEndPoint)?.Address);
        if (seat is null)
        {
            connection.Abort();
            return;
        }

        connection.Features.Set(seat);
        await using var patience = seat.Refusal is null ? null
            : TimeProvider.System.CreateTimer(static refused => ((ConnectionContext)refused!).Abort(), connection, options.RefusedTimeout, Timeout.InfiniteTimeSpan);
        await next(connection);
    }

    /// <summary>Starts; the port in use, or 0 without TCP.</summary>
    /// <exception cref="IOException">A place cannot be listened at.</exception>
    public static async Task<int> StartAsync(WebApplication application, HttpDoorOptions options)
    {
        try
        {
            if (options.SocketPath is { } path)
            {
                LeftoverSocket.Remove(path);
            }

            await application.StartAsync();
            if (options.SocketPath is { } made && !OperatingSystem.IsWindows())
            {
                // Between the two only the directory keeps strangers out, and who comes is asked for by the kernel's word anyway.
                File.SetUnixFileMode(made, SocketMode);
            }
        }
        catch (Exception failure)
        {
            await application.DisposeAsync();
            if (failure is System.Net.Sockets.SocketException socket)
            {
                throw new IOException($"Cannot listen at {options.EndPoint?.ToString() ?? options.SocketPath}: {socket.Message}", socket);
            }

            throw;
        }

        return application.Urls.Select(static url => Uri.TryCreate(url, UriKind.Absolute, out var place) && place.Port > 0 ? place.Port : 0).FirstOrDefault(static port => port > 0);
    }
}
