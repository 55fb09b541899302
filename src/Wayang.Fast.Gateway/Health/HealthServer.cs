using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Wayang.Fast.Gateway.Http;
using Wayang.Fast.Gateway.Metrics;

namespace Wayang.Fast.Gateway.Health;

/// <summary>What a readiness probe says: null when ready, else why not.</summary>
public delegate string? ReadinessProbe();

/// <summary>
/// /healthz (the process lives: 200), /readyz (it takes work: 200, else 503 with the reason) and /metrics (Prometheus' text format)
/// on the loopback address.
/// </summary>
public sealed class HealthServer : IAsyncDisposable
{
    private readonly WebApplication _application;

    private HealthServer(WebApplication application, int port)
    {
        _application = application;
        Port = port;
    }

    /// <summary>The port in use, also when any free one was asked for.</summary>
    public int Port { get; }

    /// <param name="port">On 127.0.0.1; 0 takes a free one.</param>
    /// <param name="readiness">Asked at each /readyz; must not block.</param>
    /// <param name="remarks">What a node that is ready has to say nevertheless, one line each.</param>
    /// <param name="metrics">What /metrics tells; null: it is not there.</param>
    /// <param name="cancellation">Ends the start.</param>
    public static async Task<HealthServer> StartAsync(
        int port, ReadinessProbe readiness, Func<IReadOnlyList<string>>? remarks = null, MetricsPage? metrics = null,
        CancellationToken cancellation = default)
    {
        var builder = BareWebHost.Create();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, port);
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxConcurrentConnections = 64;
            kestrel.Limits.MaxRequestBodySize = 0;
        });
        var application = builder.Build();
        application.MapGet("/healthz", static () => Results.Text("ok\n"));
        application.MapGet("/readyz", () => readiness() is { } reason
            ? Results.Text($"{reason}\n", statusCode: StatusCodes.Status503ServiceUnavailable)
            : Results.Text($"ready\n{string.Concat((remarks?.Invoke() ?? []).Select(static r => r + "\n"))}"));
        if (metrics is not null)
        {
            application.MapGet("/metrics", () => Results.Text(metrics.Render(), MetricsPage.ContentType));
        }

        try
        {
            await application.StartAsync(cancellation);
        }
        catch
        {
            await application.DisposeAsync();
            throw;
        }

        return new HealthServer(application, new Uri(application.Urls.First()).Port);
    }

    public async ValueTask DisposeAsync()
    {
        await _application.StopAsync();
        await _application.DisposeAsync();
    }
}
