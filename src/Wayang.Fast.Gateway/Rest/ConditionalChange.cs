using Microsoft.AspNetCore.Http;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Gateway.Operations;

namespace Wayang.Fast.Gateway.Rest;

/// <summary>
/// Changes with <c>If-Match</c>: made if what they change is told with that tag now, else refused with 412. Of such changes of one thing one is made after the other, the look and the
/// change as one step, so of two that know the same tag the second is refused. A change without a condition, or by another door, is not waited for.
/// </summary>
internal sealed class ConditionalChange(OperationDesk desk)
{
    private const int Turns = 64;

    private readonly SemaphoreSlim[] _turns = [.. Enumerable.Range(0, Turns).Select(static _ => new SemaphoreSlim(1))];

    /// <summary>A condition that cannot be kept: the request is not done at all, instead of in spite of it.</summary>
    public static OperationError? Unfit(RestRoute route, HttpContext context)
    {
        if (context.Request.Headers.IfUnmodifiedSince.Count > 0)
        {
            return new(ErrorCode.Unsupported, "If-Unmodified-Since is not heeded here: nothing has a time of its last change. Use If-Match with the ETag.", "If-Unmodified-Since");
        }

        return !EntityTag.IsAsked(context) || route.IsConditional || route.Resource is not null
            ? null
            : new(ErrorCode.Unsupported, "There is nothing here that has an ETag: leave If-Match out. For a task that is submitted once there is Idempotency-Key.", "If-Match");
    }

    public static Task RefuseAsync(HttpContext context, string tag)
    {
        context.Response.Headers.ETag = tag;
        return RestProblem.WriteAsync(
            context, new(ErrorCode.Conflict, "It is not what If-Match names: it was changed meanwhile. Nothing was done; GET it, and ask with the ETag of that answer.", "If-Match"),
            StatusCodes.Status412PreconditionFailed);
    }

    /// <param name="resource">Tells of what is changed.</param>
    /// <param name="context">Of the change.</param>
    /// <param name="caller">Has to be allowed to see it, too.</param>
    /// <param name="change">Makes it, and answers.</param>
    public async Task RunAsync(RestRoute resource, HttpContext context, Caller caller, Func<Task> change)
    {
        if (CallerRefusals.OutOfScope(caller, resource.Operation) is { } outside)
        {
            await RestProblem.WriteAsync(context, outside);
            return;
        }

        var (parameters, unfit) = await RestParameters.ReadAsync(resource, context, caller);
        using (parameters)
        {
            if (unfit is not null)
            {
                await RestProblem.WriteAsync(context, unfit);
                return;
            }

            var turn = _turns[TurnOf(caller, parameters.Map.WrittenSpan)];
            await turn.WaitAsync(context.RequestAborted);
            try
            {
                using var now = new PooledBuffer(512);
                if (await desk.AnswerAsync(caller, resource.Operation, parameters.Map.WrittenMemory, now, context.RequestAborted) is { } refusal)
                {
                    await RestProblem.WriteAsync(context, refusal); // as the change would be: there is no such thing
                }
                else
                {
                    var tag = EntityTag.Of(now.WrittenSpan);
                    await (EntityTag.Matches(context, tag) ? change() : RefuseAsync(context, tag));
                }
            }
            finally
            {
                turn.Release();
            }
        }
    }

    private static int TurnOf(Caller caller, ReadOnlySpan<byte> names)
    {
        var hash = new HashCode();
        hash.Add(caller.Tenant);
        hash.AddBytes(names);
        return (int)((uint)hash.ToHashCode() % Turns);
    }
}
