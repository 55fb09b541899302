using System.Collections.Concurrent;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Gateway.Audit;
using Wayang.Fast.Gateway.Auth;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>
/// Answers the requests of front doors whose callers await (gRPC, REST). Parameters and results are MessagePack maps with the keys of the table,
/// so a door only translates: what is taken, refused and told is the same at each. The fast path of MessagePack-RPC does not come by here.
/// </summary>
/// <param name="ports">What operations are done with.</param>
/// <param name="onDefect">Told of an exception that a request brought to light; must not throw.</param>
/// <param name="time">By which waits end.</param>
/// <param name="audit">Told what operators do and are refused; null: nobody is.</param>
public sealed partial class OperationDesk(OperationPorts ports, Action<Exception>? onDefect = null, TimeProvider? time = null, AuditLog? audit = null) : IDisposable
{
    private const int BusyRetryMs = 100;

    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private readonly CancellationTokenSource _stopping = new();
    private readonly SemaphoreSlim _scanning = new(1);
    private readonly ConcurrentDictionary<int, ConcurrentBag<TargetCache>> _targets = new();
    private readonly AwaitedEnds _ended = new();

    /// <summary>Set when the node stops: whoever follows a stream is to end.</summary>
    public CancellationToken Stopping => _stopping.Token;

    /// <summary>For what the doors refuse themselves.</summary>
    internal AuditLog? Audit => audit;

    /// <summary>Ends what waits; the doors are closed after that.</summary>
    public void Stop() => _stopping.Cancel();

    public void Dispose()
    {
        _stopping.Dispose();
        _scanning.Dispose();
    }

    /// <summary>Null, and the result in <paramref name="reply"/>; or the refusal, and what stands there counts for nothing.</summary>
    /// <param name="caller">Who asks.</param>
    /// <param name="operation">For what.</param>
    /// <param name="parameters">One map; nothing: an empty one.</param>
    /// <param name="reply">Not used by anybody else until this completes.</param>
    /// <param name="cancellation">The caller gives up: a task that it runs is cancelled, one that it waits for goes on.</param>
    /// <exception cref="OperationCanceledException">The caller gave up.</exception>
    internal async Task<OperationError?> AnswerAsync(
        Caller caller, Operation operation, ReadOnlyMemory<byte> parameters, PooledBuffer reply, CancellationToken cancellation)
    {
        try
        {
            var refusal = await DoAsync(caller, operation, parameters, reply, cancellation);
            audit.Tell(caller, operation, parameters.Span, reply.WrittenSpan, refusal);
            return refusal;
        }
        catch (OperationCanceledException)
        {
            audit.TellAbandoned(caller, operation, parameters.Span);
            throw;
        }
    }

    private async Task<OperationError?> DoAsync(
        Caller caller, Operation operation, ReadOnlyMemory<byte> parameters, PooledBuffer reply, CancellationToken cancellation)
    {
        if (CallerRefusals.OutOfScope(caller, operation) is { } outside)
        {
            return outside;
        }

        if (!caller.Identity.TryBeginCall())
        {
            return TooMany();
        }

        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, Stopping);
        try
        {
            var slots = new ParameterSlot[OperationTable.MaxFields];
            return Read(operation, parameters.Span, slots) ?? await PerformAsync(operation.Kind, caller.Tenant, parameters, slots, reply, either.Token);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return new(ErrorCode.Unavailable, "The runtime is shutting down.");
        }
        catch (Exception defect) when (defect is not OperationCanceledException)
        {
            onDefect?.Invoke(defect);
            return new(ErrorCode.Internal, $"{defect.GetType().Name}: {defect.Message}");
        }
        finally
        {
            caller.Identity.EndCall();
        }
    }

    private static OperationError? Read(Operation operation, ReadOnlySpan<byte> parameters, ParameterSlot[] slots)
    {
        if (parameters.IsEmpty)
        {
            return ParameterReader.Missing(operation, slots);
        }

        var reader = new MessagePackReader(parameters);
        return ParameterReader.Read(operation, ref reader, slots);
    }

    private async Task<OperationError?> PerformAsync(
        OperationKind kind, int tenant, ReadOnlyMemory<byte> parameters, ParameterSlot[] slots, PooledBuffer reply, CancellationToken cancellation)
    {
        switch (kind)
        {
            case OperationKind.TaskRun:
                return await RunAsync(tenant, parameters, slots, reply, cancellation);
            case OperationKind.TaskSubmit:
                return Submit(tenant, parameters.Span, slots, observer: null, out var submitted) ?? WriteId(reply, submitted);
            case OperationKind.TaskCancel:
                var id = TaskRequest.IdOf(parameters.Span, slots);
                return ports.Tasks.Cancel(id, tenant) ?? WriteId(reply, id);
            case OperationKind.TaskWait:
                return await WaitAsync(tenant, TaskRequest.IdOf(parameters.Span, slots), slots[1], reply, cancellation);
            case OperationKind.ImagePut:
                var (image, refusal) = await ColdOperations.PutImageAsync(ports.Tasks, tenant, parameters, slots, Stopping);
                return refusal ?? Write(reply, (ref writer) => ReplyEncoder.Image(ref writer, image!));
            case OperationKind.NodeScan:
                return await ScanAsync(tenant, parameters, slots, reply, cancellation);
            case OperationKind.TaskOutput when slots[4].Number > 0:
                await AwaitOutputAsync(tenant, OutputRequest.Of(parameters.Span, slots), cancellation);
                break;
            case OperationKind.EventsSubscribe:
                return new(ErrorCode.Unsupported, "Events are followed as a stream.");
            case OperationKind.EventsList:
                return await ListEventsAsync(tenant, parameters, slots, reply, cancellation);
            case var life when LifeCalls.Handles(life):
                var (write, unfit) = await LifeCalls.PerformAsync(kind, ports.Life, tenant, parameters, slots, cancellation);
                return write is null ? unfit : Write(reply, write);
            case OperationKind.TaskMigrate:
                var (moved, stays) = await MoveCalls.PerformAsync(ports.Moves, tenant, parameters, slots, cancellation);
                return moved is null ? stays : Write(reply, moved);
            case OperationKind.NodeDrain:
                var (told, refused) = await DrainCalls.PerformAsync(ports.Drain, tenant, parameters, slots, cancellation);
                return told is null ? refused : Write(reply, told);
            case var hooks when WebhookCalls.Handles(hooks):
                var (tell, unasked) = await WebhookCalls.PerformAsync(kind, ports.Webhooks, tenant, parameters, slots, cancellation);
                return tell is null ? unasked : Write(reply, tell);
            default:
                break;
        }

        return Perform(kind, tenant, parameters.Span, slots, reply);
    }

    private OperationError? Perform(OperationKind kind, int tenant, ReadOnlySpan<byte> parameters, ParameterSlot[] slots, PooledBuffer reply)
    {
        var writer = new MessagePackWriter(reply);
        var refusal = ColdOperations.Perform(kind, ports, tenant, parameters, slots, ref writer);
        writer.Commit();
        return refusal;
    }

    private async Task<OperationError?> RunAsync(
        int tenant, ReadOnlyMemory<byte> parameters, ParameterSlot[] slots, PooledBuffer reply, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        var end = new AwaitedEnd(reply, _ended);
        if (Submit(tenant, parameters.Span, slots, end, out var id) is { } refusal)
        {
            return refusal;
        }

        try
        {
            await end.Ended.WaitAsync(cancellation);
            return end.Refusal;
        }
        catch (OperationCanceledException)
        {
            // Nobody is left who wants the result. A stop of the node ends its tasks itself.
            if (!Stopping.IsCancellationRequested)
            {
                ports.Tasks.Cancel(id, tenant);
            }

            if (!end.Abandon(ports.Tasks, id))
            {
                await end.Ended;
            }

            throw;
        }
    }

    private async Task<OperationError?> WaitAsync(int tenant, TaskId id, ParameterSlot timeout, PooledBuffer reply, CancellationToken cancellation)
    {
        var end = new AwaitedEnd(reply, _ended);
        if (ports.Tasks.Wait(id, tenant, end, 0) is { } refusal)
        {
            return refusal;
        }

        try
        {
            await end.Ended.WaitAsync(timeout.Present ? TimeSpan.FromMilliseconds(timeout.Number) : Timeout.InfiniteTimeSpan, _time, cancellation);
            return end.Refusal;
        }
        catch (Exception givenUp) when (givenUp is TimeoutException or OperationCanceledException)
        {
            if (!end.Abandon(ports.Tasks, id))
            {
                await end.Ended;
                return end.Refusal;
            }

            if (givenUp is OperationCanceledException)
            {
                throw;
            }

            return new(ErrorCode.WaitTimeout, "The task had not ended when timeout_ms ran out; it goes on.");
        }
    }

    /// <summary>Until something stands behind the offset, the task has ended or the time is over; what is wrong is told by who reads after it.</summary>
    private async Task AwaitOutputAsync(int tenant, OutputRequest request, CancellationToken cancellation)
    {
        var watch = new OutputWatch();
        if (ports.Tasks.WatchOutput(request.Id, tenant, request.Stream, watch) is not null)
        {
            return;
        }

        try
        {
            if (request.Look(ports.Tasks, tenant, out var ready) is null && !ready)
            {
                await watch.Grown.WaitAsync(TimeSpan.FromMilliseconds(request.WaitMs), _time, cancellation);
            }
        }
        catch (TimeoutException)
        {
            // Answered with what there is: nothing.
        }
        finally
        {
            ports.Tasks.ForgetOutput(request.Id, watch);
        }
    }

    /// <summary>The stream that a caller follows, from where and what of it; or the refusal.</summary>
    internal OperationError? Follow(Caller caller, Operation operation, ReadOnlySpan<byte> parameters, out EventFollower? follower)
    {
        follower = null;
        if (CallerRefusals.OutOfScope(caller, operation) is { } outside)
        {
            return outside;
        }

        if (ports.Events is not { } events)
        {
            return EventRequest.NoStream;
        }

        var refusal = EventRequest.Read(operation, parameters, caller.Tenant, out var request);
        follower = request is null ? null : new EventFollower(events, request);
        return refusal;
    }

    private async Task<OperationError?> ListEventsAsync(
        int tenant, ReadOnlyMemory<byte> parameters, ParameterSlot[] slots, PooledBuffer reply, CancellationToken cancellation)
    {
        if (ports.Events is not { } events)
        {
            return EventRequest.NoStream;
        }

        if (EventRequest.Of(parameters.Span, slots, tenant, out var request) is { } unfit)
        {
            return unfit;
        }

        var (page, refusal) = await request!.ReadAsync(events, cancellation);
        return page is null ? refusal : Write(reply, (ref writer) => EventReplies.Page(ref writer, page));
    }

    /// <summary>One at a time, and not on the thread pool: a scan blocks as long as it takes.</summary>
    private async Task<OperationError?> ScanAsync(
        int tenant, ReadOnlyMemory<byte> parameters, ParameterSlot[] slots, PooledBuffer reply, CancellationToken cancellation)
    {
        await _scanning.WaitAsync(cancellation);
        try
        {
            return await Task.Factory.StartNew(
                () => Perform(OperationKind.NodeScan, tenant, parameters.Span, slots, reply),
                CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        }
        finally
        {
            _scanning.Release();
        }
    }

    /// <summary>Targets that were resolved lately are lent for the time of one submission: a cache has one reader at a time.</summary>
    private OperationError? Submit(int tenant, ReadOnlySpan<byte> parameters, ReadOnlySpan<ParameterSlot> slots, ITaskObserver? observer, out TaskId id)
    {
        id = default;
        var free = _targets.GetOrAdd(tenant, static _ => []);
        var targets = free.TryTake(out var lent) ? lent : new TargetCache(ports.Tasks, tenant);
        var refusal = TaskRequest.Bind(parameters, slots, targets, out var submission) ?? ports.Tasks.Submit(submission, observer, 0, out id);
        free.Add(targets);
        return refusal;
    }

    private static OperationError TooMany() => new(ErrorCode.ResourceExhausted, "Too many requests of this caller await their replies.", RetryAfterMs: BusyRetryMs);

    private static OperationError? WriteId(PooledBuffer reply, TaskId id) => Write(reply, (ref writer) => ReplyEncoder.TaskIdMap(ref writer, id));

    private static OperationError? Write(PooledBuffer reply, ReplyWriter write)
    {
        var writer = new MessagePackWriter(reply);
        write(ref writer);
        writer.Commit();
        return null;
    }
}
