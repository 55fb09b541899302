using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Gateway.Http;
using Wayang.Fast.Gateway.Operations;

namespace Wayang.Fast.Gateway.Rest;

/// <summary>Sends events as they happen: server-sent events to who accepts them, else a line of JSON each. Ends when the caller has enough, the token is gone or the node stops.</summary>
internal sealed class EventResponse(OperationDesk desk, HttpCallers callers) : IDisposable
{
    private const string EventStream = "text/event-stream";

    private readonly PooledBuffer _map = new(512);

    public async Task SendAsync(RestRoute route, HttpContext context, Caller caller, ReadOnlyMemory<byte> parameters)
    {
        if (desk.Follow(caller, route.Operation, parameters.Span, out var follower) is { } unfit)
        {
            await RestProblem.WriteAsync(context, unfit);
            return;
        }

        var asEvents = context.Request.Headers.Accept.ToString().Contains(EventStream, StringComparison.OrdinalIgnoreCase);
        if (asEvents && long.TryParse(context.Request.Headers["Last-Event-ID"], NumberStyles.None, CultureInfo.InvariantCulture, out var seen))
        {
            follower!.Resume(seen);
        }

        using var either = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, desk.Stopping);
        try
        {
            context.Response.ContentType = asEvents ? EventStream : "application/x-ndjson";
            await context.Response.BodyWriter.FlushAsync(either.Token);
            while (callers.Revoked(caller) is null)
            {
                var (events, refusal) = await follower!.NextAsync(either.Token);
                if (refusal is not null)
                {
                    context.Abort(); // it comes back with what it knows, and is told why then
                    return;
                }

                await WriteAsync(context.Response, events, asEvents);
                await context.Response.BodyWriter.FlushAsync(either.Token);
            }
        }
        catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested)
        {
            // The node stops: what was told is whole.
        }
    }

    public void Dispose() => _map.Dispose();

    private async Task WriteAsync(HttpResponse response, IReadOnlyList<NodeEvent> events, bool asEvents)
    {
        if (events.Count == 0)
        {
            // Nothing for a while: a sign that the stream goes on.
            await response.WriteAsync(asEvents ? ": waiting\n\n" : "\n");
            return;
        }

        foreach (var told in events)
        {
            if (asEvents)
            {
                await response.WriteAsync(string.Create(CultureInfo.InvariantCulture, $"id: {told.Sequence}\nevent: {told.Type}\ndata: "));
            }

            Encode(told);
            await using (var json = new Utf8JsonWriter(response.BodyWriter))
            {
                MessagePackJson.Write(_map.WrittenSpan, json);
            }

            await response.WriteAsync(asEvents ? "\n\n" : "\n");
        }
    }

    private void Encode(NodeEvent told)
    {
        _map.Clear();
        var writer = new MessagePackWriter(_map);
        EventReplies.Write(ref writer, told);
        writer.Commit();
    }
}
