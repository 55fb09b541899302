using Grpc.AspNetCore.Server.Model;
using Grpc.Health.V1;
using Grpc.HealthCheck;
using Grpc.Reflection;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Http;
using Wayang.Fast.Gateway.Operations;

namespace Wayang.Fast.Gateway.Grpc;

/// <summary>
/// <c>wayang.runtime.v1</c> over HTTP/2, with the standard services of health and reflection, which ask for no token: they say what /readyz and
/// the proto file say. Over TCP a token is shown with each call; on a unix socket the kernel says who calls.
/// </summary>
public sealed class GrpcServer : IAsyncDisposable
{
    private static readonly TimeSpan s_lookPeriod = TimeSpan.FromSeconds(1);

    private readonly WebApplication _application;
    private readonly HttpDoorOptions _options;
    private readonly HttpCallers _callers;
    private readonly HealthServiceImpl _health;
    private readonly ITimer _looking;

    private GrpcServer(WebApplication application, HttpDoorOptions options, HttpCallers callers, HealthServiceImpl health)
    {
        _application = application;
        _options = options;
        _callers = callers;
        _health = health;
        Look();
        _looking = TimeProvider.System.CreateTimer(static state => ((GrpcServer)state!).Look(), this, s_lookPeriod, s_lookPeriod);
    }

    /// <summary>The TCP port in use; 0 without TCP.</summary>
    public int Port { get; private set; }

    /// <summary>Tokens that were unknown or had expired.</summary>
    public long RefusedTokens => _callers.RefusedTokens;

    /// <summary>Binds, listens and serves.</summary>
    /// <exception cref="IOException">A place cannot be listened at; the message says which and why.</exception>
    public static async Task<GrpcServer> StartAsync(HttpDoorOptions options, OperationDesk desk)
    {
        var callers = new HttpCallers(options, "grpc", desk.Audit);
        var health = new HealthServiceImpl();
        var builder = KestrelHost.Create(options, HttpProtocols.Http2);
        builder.Services.AddGrpc(grpc =>
        {
            grpc.MaxReceiveMessageSize = options.MaxMessageBytes;
            grpc.MaxSendMessageSize = null;
        });
        builder.Services.AddSingleton(new RuntimeService(desk, callers, Math.Min(options.SessionWindow, options.MaxInFlightPerIdentity)));
        builder.Services.AddSingleton<IServiceMethodProvider<RuntimeService>, RuntimeMethods>();
        builder.Services.AddSingleton(health);
        builder.Services.AddSingleton(new ReflectionServiceImpl([RuntimeMethods.Service, global::Grpc.Health.V1.Health.Descriptor]));
        var application = builder.Build();
        application.UseRouting();
        application.Use((context, next) => IdentifyAsync(callers, context, next));
        application.MapGrpcService<RuntimeService>();
        application.MapGrpcService<HealthServiceImpl>();
        application.MapGrpcService<ReflectionServiceImpl>();
        var port = await KestrelHost.StartAsync(application, options);
        return new GrpcServer(application, options, callers, health) { Port = port };
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

    /// <summary>A call of an operation has its caller before anything of it is read.</summary>
    private static async Task IdentifyAsync(HttpCallers callers, HttpContext context, RequestDelegate next)
    {
        if (context.GetEndpoint()?.Metadata.GetMetadata<Operation>() is not { } operation)
        {
            await next(context);
            return;
        }

        if (callers.Enter(context, operation, out var caller) is { } refusal)
        {
            await GrpcFailure.WriteAsync(context, refusal);
            return;
        }

        try
        {
            context.Items[RuntimeService.CallerKey] = caller;
            using var body = new BudgetedBody(context.Request.BodyReader, caller!.Identity.Bytes);
            context.Features.Set<IRequestBodyPipeFeature>(body);
            await next(context);
        }
        finally
        {
            callers.Leave(caller!);
        }
    }

    private void Look()
    {
        var state = _options.Readiness() is null ? HealthCheckResponse.Types.ServingStatus.Serving : HealthCheckResponse.Types.ServingStatus.NotServing;
        _health.SetStatus(string.Empty, state);
        _health.SetStatus(RuntimeMethods.Service.FullName, state);
        _callers.Sweep();
    }
}
