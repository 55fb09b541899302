using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Audit;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Gateway.Http;
using Wayang.Fast.Gateway.Operations;

namespace Wayang.Fast.Gateway.Rest;

/// <summary>Answers the requests of all routes. Who calls is found before a byte of the body is read.</summary>
internal sealed class RestHandlers(OperationDesk desk, HttpCallers callers)
{
    /// <summary>How long a look at a stream waits before the token is looked at again.</summary>
    private const int FollowWaitMs = 5_000;

    /// <summary>Of a name in a path that nobody has checked yet, where it is told.</summary>
    private const int LongestName = 128;

    private const string EventStream = "text/event-stream";

    private readonly ConditionalChange _changes = new(desk);

    public async Task HandleAsync(RestRoute route, HttpContext context)
    {
        if (callers.Enter(context, route.Operation, out var caller) is { } stranger)
        {
            await RestProblem.WriteAsync(context, stranger);
            return;
        }

        try
        {
            if ((CallerRefusals.OutOfScope(caller!, route.Operation) ?? ConditionalChange.Unfit(route, context)) is { } outside)
            {
                desk.Audit.TellRefused(caller!, route.Operation, outside, () => TargetIn(context));
                await RestProblem.WriteAsync(context, outside);
                return;
            }

            var (parameters, refusal) = await RestParameters.ReadAsync(route, context, caller!);
            using (parameters)
            {
                if (refusal is not null)
                {
                    desk.Audit.TellRefused(caller!, route.Operation, refusal, () => TargetIn(context));
                }

                if (refusal is null && route.Resource is { } resource && EntityTag.IsAsked(context))
                {
                    await _changes.RunAsync(resource, context, caller!, () => AnswerAsync(route, context, caller!, parameters.Map.WrittenMemory));
                    return;
                }

                await (refusal is not null ? RestProblem.WriteAsync(context, refusal) : AnswerAsync(route, context, caller!, parameters.Map.WrittenMemory));
            }
        }
        catch (BadHttpRequestException fault)
        {
            var code = fault.StatusCode == StatusCodes.Status413PayloadTooLarge ? ErrorCode.TooLarge : ErrorCode.InvalidArgument;
            OperationError refusal = new(code, fault.Message);
            desk.Audit.TellRefused(caller!, route.Operation, refusal, () => TargetIn(context));
            await RestProblem.WriteAsync(context, refusal, fault.StatusCode);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            context.Abort();
        }
        finally
        {
            callers.Leave(caller!);
        }
    }

    /// <summary>What the path names.</summary>
    private static List<KeyValuePair<string, string>> TargetIn(HttpContext context) =>
    [
        .. context.Request.RouteValues.Where(static v => v.Value is string).Select(static v => new KeyValuePair<string, string>(v.Key, Cut((string)v.Value!))),
    ];

    private static string Cut(string text) => text.Length <= LongestName ? text : text[..LongestName];

    /// <summary>The configuration in force: the operator's, who is of the default tenant.</summary>
    public async Task TellConfigurationAsync(HttpContext context, Func<IReadOnlyDictionary<string, string>> configuration)
    {
        if (callers.Enter(context, operation: null, out var caller) is { } stranger)
        {
            await RestProblem.WriteAsync(context, stranger);
            return;
        }

        callers.Leave(caller!);
        if (caller!.Tenant != 0 || (caller.Scopes & (OperationScopes.Operate | OperationScopes.Admin)) == OperationScopes.None)
        {
            await RestProblem.WriteAsync(context, new(ErrorCode.PermissionDenied, "The configuration is told to the default tenant, with the scope operate or admin."));
            return;
        }

        context.Response.ContentType = "application/json";
        await using (var json = new Utf8JsonWriter(context.Response.BodyWriter))
        {
            json.WriteStartObject();
            foreach (var (key, value) in configuration())
            {
                json.WriteString(key, value);
            }

            json.WriteEndObject();
        }

        await context.Response.BodyWriter.FlushAsync();
    }

    private Task AnswerAsync(RestRoute route, HttpContext context, Caller caller, ReadOnlyMemory<byte> parameters) => route.Answer switch
    {
        RestAnswer.File => SendFileAsync(route, context, caller, parameters),
        RestAnswer.Stream => FollowAsync(route, context, caller, parameters),
        RestAnswer.Events => SendEventsAsync(route, context, caller, parameters),
        _ => SendJsonAsync(route, context, caller, parameters),
    };

    private async Task SendEventsAsync(RestRoute route, HttpContext context, Caller caller, ReadOnlyMemory<byte> parameters)
    {
        using var response = new EventResponse(desk, callers);
        await response.SendAsync(route, context, caller, parameters);
    }

    private async Task SendJsonAsync(RestRoute route, HttpContext context, Caller caller, ReadOnlyMemory<byte> parameters)
    {
        using var reply = new PooledBuffer(512);
        if (await desk.AnswerAsync(caller, route.Operation, parameters, reply, context.RequestAborted) is { } refusal)
        {
            await RestProblem.WriteAsync(context, refusal);
            return;
        }

        if (route.IsConditional)
        {
            var tag = EntityTag.Of(reply.WrittenSpan);
            if (EntityTag.IsAsked(context) && !EntityTag.Matches(context, tag))
            {
                await ConditionalChange.RefuseAsync(context, tag);
                return;
            }

            if (EntityTag.IsKnown(context, tag))
            {
                return;
            }
        }

        context.Response.ContentType = "application/json";
        if (route.Answer == RestAnswer.Created)
        {
            context.Response.StatusCode = StatusCodes.Status201Created;
            context.Response.Headers.Location = "/v1/tasks/" + new ReplyFields(reply.WrittenSpan).Text("task"u8);
        }

        await using (var json = new Utf8JsonWriter(context.Response.BodyWriter))
        {
            MessagePackJson.Write(reply.WrittenSpan, json);
        }

        await context.Response.BodyWriter.FlushAsync(context.RequestAborted);
    }

    /// <summary>Piece after piece: no more than one is held for a reader, however slow it is.</summary>
    private async Task SendFileAsync(RestRoute route, HttpContext context, Caller caller, ReadOnlyMemory<byte> parameters)
    {
        using var follower = new OutputFollower(parameters.Span, waitMs: null);
        using var reply = new PooledBuffer(512);
        var response = context.Response;
        while (!follower.IsOver)
        {
            if (await follower.NextAsync(desk, caller, route.Operation, reply, context.RequestAborted) is { } refusal)
            {
                if (response.HasStarted)
                {
                    context.Abort(); // forgotten in between: a file that is cut must not look whole
                    return;
                }

                await RestProblem.WriteAsync(context, refusal);
                return;
            }

            if (!response.HasStarted && !Begin(context, reply.WrittenSpan))
            {
                return;
            }

            await response.BodyWriter.WriteAsync(new ReplyFields(reply.WrittenSpan).Bytes("data"u8), context.RequestAborted);
        }
    }

    /// <summary>The header of a file; false: the caller has it already.</summary>
    private static bool Begin(HttpContext context, ReadOnlySpan<byte> reply)
    {
        var fields = new ReplyFields(reply);
        context.Response.Headers.XContentTypeOptions = "nosniff";
        if (EntityTag.IsKnown(context, $"\"{fields.Text("sha256"u8)}\""))
        {
            return false;
        }

        context.Response.ContentType = "application/octet-stream";
        context.Response.ContentLength = fields.Number("bytes"u8) - fields.Number("offset"u8);
        return true;
    }

    private async Task FollowAsync(RestRoute route, HttpContext context, Caller caller, ReadOnlyMemory<byte> parameters)
    {
        using var follower = new OutputFollower(parameters.Span, FollowWaitMs);
        using var reply = new PooledBuffer(512);
        var response = context.Response;
        var asEvents = context.Request.Headers.Accept.ToString().Contains(EventStream, StringComparison.OrdinalIgnoreCase);
        if (asEvents && long.TryParse(context.Request.Headers["Last-Event-ID"], NumberStyles.None, CultureInfo.InvariantCulture, out var seen))
        {
            follower.Resume(seen);
        }

        while (!follower.IsOver)
        {
            if ((callers.Revoked(caller) ?? await follower.NextAsync(desk, caller, route.Operation, reply, context.RequestAborted)) is { } refusal)
            {
                if (response.HasStarted)
                {
                    context.Abort();
                    return;
                }

                await RestProblem.WriteAsync(context, refusal);
                return;
            }

            if (!response.HasStarted)
            {
                response.ContentType = asEvents ? EventStream : "application/x-ndjson";
            }

            await WritePieceAsync(response, follower, reply, asEvents);
            await response.BodyWriter.FlushAsync(context.RequestAborted);
        }
    }

    private static async Task WritePieceAsync(HttpResponse response, OutputFollower follower, PooledBuffer reply, bool asEvents)
    {
        if (!follower.HasNews)
        {
            // Nothing for five seconds: a sign that the stream goes on.
            await response.WriteAsync(asEvents ? ": waiting\n\n" : string.Empty);
            return;
        }

        if (asEvents)
        {
            await response.WriteAsync(string.Create(CultureInfo.InvariantCulture, $"id: {follower.Offset}\ndata: "));
        }

        await using (var json = new Utf8JsonWriter(response.BodyWriter))
        {
            MessagePackJson.Write(reply.WrittenSpan, json);
        }

        await response.WriteAsync(asEvents ? "\n\n" : "\n");
    }
}
