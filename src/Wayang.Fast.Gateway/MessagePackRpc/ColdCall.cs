using System.Buffers;
using System.Diagnostics;
using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

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
    private readonly OperationKind _kind;
    private readonly uint _messageId;
    private readonly byte[] _frame;
    private readonly int _length;
    private readonly ParameterSlot[] _slots;
    private readonly long _begun = Stopwatch.GetTimestamp();

    private ColdCall(RpcConnection connection, RpcServer server, OperationKind kind, uint messageId, ReadOnlySpan<byte> frame, ReadOnlySpan<ParameterSlot> slots)
    {
        _connection = connection;
        _server = server;
        _kind = kind;
        _messageId = messageId;
        _length = frame.Length;
        _frame = ArrayPool<byte>.Shared.Rent(frame.Length);
        _slots = slots.ToArray();
        frame.CopyTo(_frame);
    }

    private ReadOnlySpan<byte> Frame => _frame.AsSpan(0, _length);

    /// <summary>Queues the operation and counts it in flight, or refuses.</summary>
    public static OperationError? Start(
        RpcConnection connection, RpcServer server, OperationKind kind, uint messageId, ReadOnlySpan<byte> frame, ReadOnlySpan<ParameterSlot> slots)
    {
        // An image is copied once more, for its keeper.
        var bytes = CopiedBytes(kind, frame.Length);
        if (!connection.Budget.TryTake(bytes))
        {
            return new(ErrorCode.ResourceExhausted, "Too many large requests are being handled.", RetryAfterMs: BusyRetryMs);
        }

        if (connection.BeginCall() is { } busy)
        {
            connection.Budget.Return(bytes);
            return busy;
        }

        server.Cold.Queue(new ColdCall(connection, server, kind, messageId, frame, slots));
        return null;
    }

    public void Execute() => _ = PerformAsync();

    private static long CopiedBytes(OperationKind kind, int frameBytes) => kind == OperationKind.ImagePut ? 2L * frameBytes : frameBytes;

    private async Task PerformAsync()
    {
        using var reply = new PooledBuffer(512);
        OperationError? refusal;
        try
        {
            refusal = _kind == OperationKind.ImagePut ? await PutImageAsync(reply)
                : LifeCalls.Handles(_kind) ? await PerformLifeAsync(reply)
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

        _server.Calls.CountSince(_kind, refusal?.Code ?? ErrorCode.None, _begun);
        ArrayPool<byte>.Shared.Return(_frame, clearArray: _kind == OperationKind.TaskSubmitMany); // it may have held secrets
        _connection.Budget.Return(CopiedBytes(_kind, _length));
        if (refusal is not null)
        {
            _connection.Complete(_messageId, refusal);
        }
        else
        {
            _connection.Complete(reply);
        }
    }

    private async Task<OperationError?> PerformLifeAsync(PooledBuffer reply)
    {
        var (write, refusal) = await LifeCalls.PerformAsync(
            _kind, _server.Options.Life, _connection.Tenant, _frame.AsMemory(0, _length), _slots, _server.Stopping);
        if (write is not null)
        {
            var writer = new MessagePackWriter(reply);
            ReplyEncoder.Begin(ref writer, _messageId);
            write(ref writer);
            writer.Commit();
        }

        return refusal;
    }

    private OperationError? Perform(PooledBuffer reply)
    {
        if (_kind == OperationKind.TaskOutput)
        {
            return OutputRequest.Of(Frame, _slots).Write(_server.Tasks, _connection.Tenant, _messageId, reply);
        }

        var writer = new MessagePackWriter(reply);
        ReplyEncoder.Begin(ref writer, _messageId);
        if (MonitorReplies.TryWrite(_kind, ref writer, _server.Options.Monitor, _connection.Tenant, Frame, _slots, out var refusal))
        {
            writer.Commit();
            return refusal;
        }

        switch (_kind)
        {
            case OperationKind.TaskSubmitMany:
                SubmitMany(ref writer);
                break;
            case OperationKind.TaskGet:
                refusal = _server.Tasks.Get(TaskRequest.IdOf(Frame, _slots), _connection.Tenant, out var snapshot);
                if (snapshot is not null)
                {
                    ReplyEncoder.Snapshot(ref writer, snapshot);
                }

                break;
            case OperationKind.TaskArtifact:
                refusal = ArtifactReplies.WritePiece(ref writer, _server.Tasks, _connection.Tenant, Frame, _slots);
                break;
            case OperationKind.ImageList:
                WriteImages(ref writer, _server.Tasks.ListImages(_connection.Tenant));
                break;
            case OperationKind.NodeInfo:
                ReplyEncoder.Node(ref writer, _server.Tasks.DescribeNode());
                break;
            case OperationKind.NodeStats:
                writer.WriteMapHeader(1);
                ReplyEncoder.Numbers(ref writer, "values"u8, _server.Tasks.ReadStatistics().Values);
                break;
            default:
                return new(ErrorCode.Internal, $"No handler for {_kind}.");
        }

        writer.Commit();
        return refusal;
    }

    private void SubmitMany(ref MessagePackWriter writer)
    {
        var list = _slots[0].Of(Frame);
        var reader = new MessagePackReader(list);
        reader.TryReadArrayHeader(out var count);

        // A cache of its own: the connection's belongs to its reader.
        var targets = new TargetCache(_server.Tasks, _connection.Tenant);
        Span<ParameterSlot> slots = stackalloc ParameterSlot[OperationTable.MaxFields];
        var outcomes = new SubmissionOutcomes(count);
        for (var i = 0; i < count; i++)
        {
            slots.Clear();
            var item = reader;
            reader.TrySkip();
            var id = default(TaskId);
            var refusal = ParameterReader.Read(OperationTable.TaskSubmit, ref item, slots);
            if (refusal is null)
            {
                refusal = TaskRequest.Bind(list, slots, targets, out var submission);
                refusal ??= outcomes.Submit(i, _server.Tasks, submission, out id);
            }

            outcomes.Set(i, id, refusal);
        }

        writer.WriteMapHeader(1);
        writer.WriteString("tasks"u8);
        writer.WriteArrayHeader(count);
        foreach (var (id, refusal) in outcomes.Await())
        {
            if (refusal is null)
            {
                ReplyEncoder.TaskIdMap(ref writer, id);
                continue;
            }

            writer.WriteMapHeader(1);
            writer.WriteString("error"u8);
            ReplyEncoder.ErrorMap(ref writer, refusal);
        }
    }

    private async Task<OperationError?> PutImageAsync(PooledBuffer reply)
    {
        var upload = new ImageUpload(
            Encoding.UTF8.GetString(_slots[0].Of(Frame)),
            _slots[1].Of(Frame).ToArray(),
            _slots[2].Present ? Encoding.UTF8.GetString(_slots[2].Of(Frame)) : null,
            _connection.Tenant)
        {
            Preload = ReadTexts(3),
            FileName = _slots[4].Present ? Encoding.UTF8.GetString(_slots[4].Of(Frame)) : null,
        };
        if (upload.Name is { } name && !name.All(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-'))
        {
            return new(ErrorCode.InvalidArgument, "'name' holds letters, digits, '.', '_' and '-' only.", "name");
        }

        var (image, refusal) = await _server.Tasks.PutImageAsync(upload, _server.Stopping);
        if (refusal is not null || image is null)
        {
            return refusal ?? new(ErrorCode.Internal, "The image was neither stored nor refused.");
        }

        var writer = new MessagePackWriter(reply);
        ReplyEncoder.Begin(ref writer, _messageId);
        ReplyEncoder.Image(ref writer, image);
        writer.Commit();
        return null;
    }

    /// <summary>A list of texts; what is no text is an empty one, which no name is.</summary>
    private List<string> ReadTexts(int slot)
    {
        var texts = new List<string>();
        if (_slots[slot].Present)
        {
            var reader = new MessagePackReader(_slots[slot].Of(Frame));
            reader.TryReadArrayHeader(out var count);
            for (var i = 0; i < count; i++)
            {
                var isText = reader.TryReadStringOrBinary(out var text);
                texts.Add(isText ? Encoding.UTF8.GetString(text) : "");
                if (!isText)
                {
                    reader.TrySkip();
                }
            }
        }

        return texts;
    }

    private static void WriteImages(ref MessagePackWriter writer, IReadOnlyList<ImageDescription> images)
    {
        writer.WriteMapHeader(1);
        writer.WriteString("images"u8);
        writer.WriteArrayHeader(images.Count);
        foreach (var image in images)
        {
            ReplyEncoder.Image(ref writer, image);
        }
    }
}
