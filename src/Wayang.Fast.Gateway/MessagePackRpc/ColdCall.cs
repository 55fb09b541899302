using System.Buffers;
using System.Diagnostics;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Audit;
using Wayang.Fast.Gateway.Operations;

namespace Wayang.Fast.Gateway.MessagePackRpc;

/// <summary>
/// An operation that may allocate, copy much or wait: it takes a copy of its frame to the threads of cold operations and answers
/// from there. The copies of all connections share one budget.
/// </summary>
internal sealed class ColdCall : IThreadPoolWorkItem
{
    private const int BusyRetryMs = 100;

    private readonly RpcConnection _connection;
    private readonly RpcServer _server;
    private readonly Operation _operation;
    private readonly uint _messageId;
    private readonly byte[] _frame;
    private readonly int _length;
    private readonly ParameterSlot[] _slots;
    private readonly long _begun = Stopwatch.GetTimestamp();

    private ColdCall(RpcConnection connection, RpcServer server, Operation operation, uint messageId, ReadOnlySpan<byte> frame, ReadOnlySpan<ParameterSlot> slots)
    {
        _connection = connection;
        _server = server;
        _operation = operation;
        _messageId = messageId;
        _length = frame.Length;
        _frame = ArrayPool<byte>.Shared.Rent(frame.Length);
        _slots = slots.ToArray();
        frame.CopyTo(_frame);
    }

    private OperationKind Kind => _operation.Kind;

    private ReadOnlySpan<byte> Frame => _frame.AsSpan(0, _length);

    /// <summary>Queues the operation and counts it in flight, or refuses.</summary>
    public static OperationError? Start(
        RpcConnection connection, RpcServer server, Operation operation, uint messageId, ReadOnlySpan<byte> frame, ReadOnlySpan<ParameterSlot> slots)
    {
        // An image is copied once more, for its keeper.
        var bytes = CopiedBytes(operation.Kind, frame.Length);
        if (!connection.Budget.TryTake(bytes))
        {
            return new(ErrorCode.ResourceExhausted, "Too many large requests are being handled.", RetryAfterMs: BusyRetryMs);
        }

        if (connection.BeginCall() is { } busy)
        {
            connection.Budget.Return(bytes);
            return busy;
        }

        server.Cold.Queue(new ColdCall(connection, server, operation, messageId, frame, slots));
        return null;
    }

    public void Execute() => _ = PerformAsync();

    private static long CopiedBytes(OperationKind kind, int frameBytes) => kind == OperationKind.ImagePut ? 2L * frameBytes : frameBytes;

    private async Task PerformAsync()
    {
        var reply = new PooledBuffer(512);
        OperationError? refusal;
        try
        {
            refusal = Kind == OperationKind.ImagePut ? await PutImageAsync(reply)
                : LifeCalls.Handles(Kind) || WebhookCalls.Handles(Kind) || HandoverCalls.Handles(Kind) || Kind is OperationKind.TaskMigrate or OperationKind.NodeDrain ? await PerformWaitingAsync(reply)
                : PeerCalls.Handles(Kind) ? PerformBetweenNodes(reply)
                : Kind == OperationKind.EventsList ? await ListEventsAsync(reply)
                : Perform(reply);
        }
#pragma warning disable CA1031 // The last line of defence: a defect answers this request, it does not end the daemon.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            if (failure is not OperationCanceledException)
            {
                _server.Options.OnDefect?.Invoke(failure);
            }

            refusal = failure is OperationCanceledException
                ? new(ErrorCode.Unavailable, "The runtime is shutting down.")
                : new(ErrorCode.Internal, $"{failure.GetType().Name}: {failure.Message}");
        }

        _server.Calls.CountSince(Kind, refusal?.Code ?? ErrorCode.None, _begun);
        _server.Options.Audit.Tell(_connection.Session, _operation, Frame, _slots, refusal is null ? ReplyFrame.ResultOf(reply.WrittenSpan) : default, refusal);
        ArrayPool<byte>.Shared.Return(_frame, clearArray: Kind is OperationKind.TaskSubmitMany or OperationKind.WebhookCreate); // it may have held secrets
        _connection.Budget.Return(CopiedBytes(Kind, _length));
        if (refusal is not null)
        {
            reply.Dispose();
            _connection.Complete(_messageId, refusal);
        }
        else
        {
            _connection.Complete(reply);
        }
    }

    private async Task<OperationError?> PerformWaitingAsync(PooledBuffer reply)
    {
        var frame = _frame.AsMemory(0, _length);
        var (write, refusal) = await (LifeCalls.Handles(Kind)
            ? LifeCalls.PerformAsync(Kind, _server.Options.Life, _connection.Tenant, frame, _slots, _server.Stopping)
            : HandoverCalls.Handles(Kind) ? HandoverCalls.PerformAsync(Kind, _server.Ports.Visits, _connection.Peer, frame, _slots, _server.Stopping)
            : Kind == OperationKind.TaskMigrate ? MoveCalls.PerformAsync(_server.Ports.Moves, _connection.Tenant, frame, _slots, _server.Stopping)
            : Kind == OperationKind.NodeDrain ? DrainCalls.PerformAsync(_server.Ports.Drain, _connection.Tenant, frame, _slots, _server.Stopping)
            : WebhookCalls.PerformAsync(Kind, _server.Ports.Webhooks, _connection.Tenant, frame, _slots, _server.Stopping));
        if (write is not null)
        {
            var writer = new MessagePackWriter(reply);
            ReplyFrame.Begin(ref writer, _messageId);
            write(ref writer);
            writer.Commit();
        }

        return refusal;
    }

    private OperationError? PerformBetweenNodes(PooledBuffer reply)
    {
        var (write, refusal) = PeerCalls.Perform(Kind, _server.Ports, _connection.Peer, Frame, _slots);
        if (write is not null)
        {
            var writer = new MessagePackWriter(reply);
            ReplyFrame.Begin(ref writer, _messageId);
            write(ref writer);
            writer.Commit();
        }

        return refusal;
    }

    /// <summary>One that waits holds no thread.</summary>
    private async Task<OperationError?> ListEventsAsync(PooledBuffer reply)
    {
        if (_server.Ports.Events is not { } events)
        {
            return EventRequest.NoStream;
        }

        if (EventRequest.Of(Frame, _slots, _connection.Tenant, out var request) is { } unfit)
        {
            return unfit;
        }

        var (page, refusal) = await request!.ReadAsync(events, _server.Stopping);
        if (page is not null)
        {
            var writer = new MessagePackWriter(reply);
            ReplyFrame.Begin(ref writer, _messageId);
            EventReplies.Page(ref writer, page);
            writer.Commit();
        }

        return refusal;
    }

    private OperationError? Perform(PooledBuffer reply)
    {
        var writer = new MessagePackWriter(reply);
        ReplyFrame.Begin(ref writer, _messageId);
        var refusal = ColdOperations.Perform(Kind, _server.Ports, _connection.Tenant, Frame, _slots, ref writer);
        writer.Commit();
        return refusal;
    }

    private async Task<OperationError?> PutImageAsync(PooledBuffer reply)
    {
        var (image, refusal) = await ColdOperations.PutImageAsync(_server.Tasks, _connection.Tenant, _frame.AsMemory(0, _length), _slots, _server.Stopping);
        if (image is not null)
        {
            var writer = new MessagePackWriter(reply);
            ReplyFrame.Begin(ref writer, _messageId);
            ReplyEncoder.Image(ref writer, image);
            writer.Commit();
        }

        return refusal;
    }
}
