using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Wayang.Fast.Gateway.Http;

/// <summary>
/// A web host of Kestrel and routing alone. The framework's own hosts read appsettings.json where the process happens to stand, and environment variables
/// that open or change doors; and to see that file change they watch all folders below, the whole disk where that is the root.
/// </summary>
internal static class BareWebHost
{
    public static WebApplicationBuilder Create()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore();
        builder.Services.AddRoutingCore();
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        return builder;
    }

    /// <summary>The daemon ends the process itself; Kestrel must not take SIGTERM for it.</summary>
    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
