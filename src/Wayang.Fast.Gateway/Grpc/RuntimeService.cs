using Grpc.Core;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Protobuf;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Gateway.Audit;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Gateway.Http;
using Wayang.Fast.Gateway.Operations;

namespace Wayang.Fast.Gateway.Grpc;

/// <summary>Answers the calls of all methods. Who calls was found before a byte of the request was read.</summary>
/// <param name="desk">What answers.</param>
/// <param name="callers">Who calls.</param>
/// <param name="window">Tasks of one session under way at once.</param>
internal sealed class RuntimeService(OperationDesk desk, HttpCallers callers, int window)
{
    /// <summary>How long a look at a stream waits before the token is looked at again.</summary>
    private const int FollowWaitMs = 5_000;

    private const int MostSubmitted = OperationTable.MaxTasksPerSubmission;

    /// <summary>Where the caller of a request is kept.</summary>
    public static readonly object CallerKey = new();

    public async Task<GrpcReply> AnswerAsync(Operation operation, ProtoShape shape, GrpcRequest request, ServerCallContext call)
    {
        using var map = new PooledBuffer(512);
        using (request)
        {
            await AskAsync(CallerOf(call), operation, request, map, call.CancellationToken);
        }

        return GrpcReply.Of(shape, map);
    }

    /// <summary>Pieces of a stream from the offset on, until the task has ended and all is sent.</summary>
    public async Task FollowAsync(Operation operation, ProtoShape shape, GrpcRequest request, IServerStreamWriter<GrpcReply> pieces, ServerCallContext call)
    {
        using (request)
        {
            if (request.Refusal is { } wrong)
            {
                throw GrpcFailure.ToException(wrong);
            }

            var caller = CallerOf(call);
            using var follower = new OutputFollower(request.Map.Span, FollowWaitMs);
            using var map = new PooledBuffer(512);
            while (!follower.IsOver)
            {
                if (callers.Revoked(caller) is { } revoked)
                {
                    throw GrpcFailure.ToException(revoked);
                }

                if (await follower.NextAsync(desk, caller, operation, map, call.CancellationToken) is { } refusal)
                {
                    throw GrpcFailure.ToException(refusal);
                }

                if (follower.HasNews)
                {
                    await pieces.WriteAsync(GrpcReply.Of(shape, map), call.CancellationToken);
                }
            }
        }
    }

    /// <summary>Events as they happen, until the caller has enough.</summary>
    public async Task WatchAsync(Operation operation, ProtoShape shape, GrpcRequest request, IServerStreamWriter<GrpcReply> events, ServerCallContext call)
    {
        using var map = new PooledBuffer(512);
        using (request)
        {
            var caller = CallerOf(call);
            EventFollower? follower = null;
            if ((request.Refusal ?? desk.Follow(caller, operation, request.Map.Span, out follower)) is { } wrong)
            {
                throw GrpcFailure.ToException(wrong);
            }

            await call.WriteResponseHeadersAsync([]);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(call.CancellationToken, desk.Stopping);
            while (true)
            {
                if (callers.Revoked(caller) is { } revoked)
                {
                    throw GrpcFailure.ToException(revoked);
                }

                var (told, refusal) = await NextAsync(follower!, either.Token, call.CancellationToken);
                if (refusal is not null)
                {
                    throw GrpcFailure.ToException(refusal);
                }

                foreach (var one in told)
                {
                    await events.WriteAsync(ToReply(shape, one, map), call.CancellationToken);
                }
            }
        }
    }

    private static async Task<(IReadOnlyList<NodeEvent> Events, OperationError? Refusal)> NextAsync(
        EventFollower follower, CancellationToken either, CancellationToken caller)
    {
        try
        {
            return await follower.NextAsync(either);
        }
        catch (OperationCanceledException) when (!caller.IsCancellationRequested)
        {
            return ([], new(ErrorCode.Unavailable, "The runtime is shutting down."));
        }
    }

    private static GrpcReply ToReply(ProtoShape shape, NodeEvent told, PooledBuffer map)
    {
        map.Clear();
        var writer = new MessagePackWriter(map);
        EventReplies.Write(ref writer, told);
        writer.Commit();
        return GrpcReply.Of(shape, map);
    }

    /// <summary>Tasks in and ends out, until the caller has no more and all has ended.</summary>
    public async Task ConverseAsync(ProtoShape shape, IAsyncStreamReader<GrpcRequest> requests, IServerStreamWriter<GrpcReply> replies, ServerCallContext call)
    {
        using var session = new TaskSession(desk, callers, CallerOf(call), shape, window, call.CancellationToken);
        await session.ServeAsync(requests, replies);
    }

    /// <summary>Each message is submitted as it comes; what became of all is told at the end.</summary>
    public async Task<GrpcReply> SubmitManyAsync(Operation operation, ProtoShape shape, IAsyncStreamReader<GrpcRequest> requests, ServerCallContext call)
    {
        var caller = CallerOf(call);
        using var all = new PooledBuffer(512);
        using var map = new PooledBuffer(512);
        var count = 0;
        while (await requests.MoveNext(call.CancellationToken))
        {
            map.Clear();
            using (var request = requests.Current)
            {
                await AskAsync(caller, operation, request, map, call.CancellationToken);
            }

            if ((count += Append(map.WrittenSpan, all)) > MostSubmitted)
            {
                throw GrpcFailure.ToException(new(ErrorCode.TooLarge, $"{count} tasks in one call; at most {MostSubmitted} are taken. Those that came so far were submitted.", "tasks"));
            }
        }

        map.Clear();
        var writer = new MessagePackWriter(map);
        writer.WriteMapHeader(1);
        writer.WriteString("tasks"u8);
        writer.WriteArrayHeader(count);
        writer.WriteRaw(all.WrittenSpan);
        writer.Commit();
        return GrpcReply.Of(shape, map);
    }

    private async Task AskAsync(Caller caller, Operation operation, GrpcRequest request, PooledBuffer map, CancellationToken cancellation)
    {
        if (request.Refusal is { } wrong)
        {
            desk.Audit.TellRefused(caller, operation, wrong);
            throw GrpcFailure.ToException(wrong);
        }

        if (!caller.Identity.Bytes.TryTake(request.Map.Length))
        {
            OperationError full = new(ErrorCode.ResourceExhausted, "Too many large requests are being handled.", RetryAfterMs: 100);
            desk.Audit.TellRefused(caller, operation, full);
            throw GrpcFailure.ToException(full);
        }

        try
        {
            if (await desk.AnswerAsync(caller, operation, request.Map, map, cancellation) is { } refusal)
            {
                throw GrpcFailure.ToException(refusal);
            }
        }
        finally
        {
            caller.Identity.Bytes.Return(request.Map.Length);
        }
    }

    /// <summary>Appends the items of a reply of <c>task.submit_many</c>; how many they are.</summary>
    private static int Append(ReadOnlySpan<byte> map, PooledBuffer all)
    {
        var reader = new MessagePackReader(map);
        reader.TryReadMapHeader(out _);
        reader.TryReadStringOrBinary(out _);
        reader.TryReadArrayHeader(out var count);
        var writer = new MessagePackWriter(all);
        writer.WriteRaw(map[reader.Position..]);
        writer.Commit();
        return count;
    }

    private static Caller CallerOf(ServerCallContext call) => (Caller)call.GetHttpContext().Items[CallerKey]!;
}
