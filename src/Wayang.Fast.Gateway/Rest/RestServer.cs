using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Http;
using Wayang.Fast.Gateway.Operations;

namespace Wayang.Fast.Gateway.Rest;

/// <summary>REST with JSON below /v1, its description at /v1/openapi.json. Over TCP a token is shown with each request; on a unix socket the kernel says who calls.</summary>
public sealed class RestServer : IAsyncDisposable
{
    private static readonly TimeSpan s_lookPeriod = TimeSpan.FromSeconds(1);

    private readonly WebApplication _application;
    private readonly HttpDoorOptions _options;
    private readonly ITimer _looking;

    private RestServer(WebApplication application, HttpDoorOptions options, HttpCallers callers)
    {
        _application = application;
        _options = options;
        _looking = TimeProvider.System.CreateTimer(static state => ((HttpCallers)state!).Sweep(), callers, s_lookPeriod, s_lookPeriod);
    }

    /// <summary>The TCP port in use; 0 without TCP.</summary>
    public int Port { get; private set; }

    /// <summary>Binds, listens and serves.</summary>
    /// <param name="options">A payload in JSON is a third longer than it is: the bound of a request is made so.</param>
    /// <param name="desk">Answers.</param>
    /// <param name="configuration">Keys and values in force, for /v1/configuration; null: it is not there.</param>
    /// <exception cref="IOException">A place cannot be listened at; the message says which and why.</exception>
    public static async Task<RestServer> StartAsync(HttpDoorOptions options, OperationDesk desk, Func<IReadOnlyDictionary<string, string>>? configuration = null)
    {
        var callers = new HttpCallers(options, "rest", desk.Audit);
        var handlers = new RestHandlers(desk, callers);
        var builder = KestrelHost.Create(options with { MaxMessageBytes = (int)Math.Min(int.MaxValue, options.MaxMessageBytes * 3L / 2) }, HttpProtocols.Http1);
        var application = builder.Build();
        application.Use(TellFailuresAsync);
        application.UseRouting();
        foreach (var route in RestRoute.All)
        {
            application.MapMethods(route.Path, [route.Method], context => handlers.HandleAsync(route, context));
        }

        var description = OpenApiDescription.Write();
        application.MapGet("/v1/openapi.json", () => Results.Text(description, "application/json"));
        if (configuration is not null)
        {
            application.MapGet("/v1/configuration", context => handlers.TellConfigurationAsync(context, configuration));
        }

        var port = await KestrelHost.StartAsync(application, options);
        return new RestServer(application, options, callers) { Port = port };
    }

    public async ValueTask DisposeAsync()
    {
        await _looking.DisposeAsync();
        await _application.StopAsync();
        await _application.DisposeAsync();
        if (_options.SocketPath is { } path)
        {
            File.Delete(path);
        }
    }

    /// <summary>What routing refuses is told as a problem, too.</summary>
    private static async Task TellFailuresAsync(HttpContext context, RequestDelegate next)
    {
        await next(context);
        if (context.Response.HasStarted || context.Response.ContentType is not null)
        {
            return;
        }

        if (context.Response.StatusCode == StatusCodes.Status404NotFound)
        {
            var nearest = NearestName.Of(context.Request.Path.ToString(), RestRoute.All.Select(static r => r.Path));
            await RestProblem.WriteAsync(context, new(
                ErrorCode.UnknownOperation, $"There is nothing at this path.{(nearest is null ? string.Empty : $" Did you mean {nearest}?")} /v1/openapi.json tells what there is."));
        }
        else if (context.Response.StatusCode == StatusCodes.Status405MethodNotAllowed)
        {
            await RestProblem.WriteAsync(
                context, new(ErrorCode.UnknownOperation, $"{context.Request.Method} is not for this path; {context.Response.Headers.Allow} is."), StatusCodes.Status405MethodNotAllowed);
        }
    }
}
