using System.Collections.Concurrent;
using System.Threading.Channels;
using Grpc.Core;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Protobuf;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Gateway.Http;
using Wayang.Fast.Gateway.Operations;

namespace Wayang.Fast.Gateway.Grpc;

/// <summary>
/// Tasks in and ends out on one stream. One loop reads and submits, one writes what is to be told, and each end finds its way between them by
/// itself. What waits for a caller who does not read is bounded: tasks by the window, their results by bytes (what is over is read again when its turn
/// comes), refusals by their number, at which the reading stops.
/// </summary>
internal sealed class TaskSession : IDisposable
{
    private const int MostRefusalsWaiting = 64;
    private const long MostBytesWaiting = 16 << 20;
    private const int FlushBytes = 32 << 10;
    private static readonly TimeSpan s_lookPeriod = TimeSpan.FromSeconds(5);
    private static readonly WriteOptions s_more = new(WriteFlags.BufferHint);

    private static readonly RequestMap s_request = new("TaskSession",
    [
        new("number", FieldType.Integer, "Chosen by the caller, 0 or more.") { Required = true, Max = long.MaxValue },
        new("submit", FieldType.Map, "What task.run takes."),
        new("acknowledge", FieldType.Flag, "Whether the id is told before the end."),
        new("cancel", FieldType.Flag, "true: asks the task of this number to stop."),
    ]);

    private readonly OperationDesk _desk;
    private readonly HttpCallers _callers;
    private readonly Caller _caller;
    private readonly ProtoShape _shape;
    private readonly int _window;
    private readonly ByteBudget _room;
    private readonly CancellationTokenSource _over;

    /// <summary>The only token that reads and writes of the stream get: one that is cancelled there aborts the call, and its status is told to nobody.</summary>
    private readonly CancellationToken _gone;
    private readonly SemaphoreSlim _refusals = new(MostRefusalsWaiting);
    private readonly ConcurrentDictionary<long, SessionTask> _open = new();
    private readonly Channel<SessionNews> _news = Channel.CreateUnbounded<SessionNews>(new() { SingleReader = true });
    private readonly ParameterSlot[] _slots = new ParameterSlot[4];
    private volatile OperationError? _reason;
    private int _underWay;
    private int _pending = 1;

    public TaskSession(OperationDesk desk, HttpCallers callers, Caller caller, ProtoShape shape, int window, CancellationToken gone)
    {
        (_desk, _callers, _caller, _shape, _window, _gone) = (desk, callers, caller, shape, window, gone);
        _room = new ByteBudget(MostBytesWaiting, caller.Identity.Bytes);
        _over = CancellationTokenSource.CreateLinkedTokenSource(gone, desk.Stopping);
    }

    public void Dispose()
    {
        _over.Dispose();
        _refusals.Dispose();
    }

    public async Task ServeAsync(IAsyncStreamReader<GrpcRequest> requests, IServerStreamWriter<GrpcReply> replies)
    {
        if (CallerRefusals.OutOfScope(_caller, OperationTable.TaskRun) is { } outside)
        {
            throw GrpcFailure.ToException(outside);
        }

        await using var looking = TimeProvider.System.CreateTimer(static session => ((TaskSession)session!).Look(), this, s_lookPeriod, s_lookPeriod);
        var writing = WriteAsync(replies);
        try
        {
            await ReadAsync(requests);
            await writing;
        }
        catch (Exception failure)
        {
            await _over.CancelAsync();
            throw Explain(failure);
        }
        finally
        {
            await EndAsync(writing);
        }
    }

    private async Task ReadAsync(IAsyncStreamReader<GrpcRequest> requests)
    {
        try
        {
            while (await requests.MoveNext(_gone).WaitAsync(_over.Token))
            {
                using var request = requests.Current;
                if (Take(request, out var number) is { } refusal)
                {
                    await _refusals.WaitAsync(_over.Token);
                    _news.Writer.TryWrite(new(number, Task: null) { Refusal = refusal, IsOfReader = true });
                }
            }
        }
        finally
        {
            Settle();
        }
    }

    /// <summary>Null: it is under way, or asked to stop. A message without a number that can be read ends the session: nobody could be told what became of it.</summary>
    private OperationError? Take(GrpcRequest request, out long number)
    {
        if (!TryReadNumber(request.Map.Span, out number))
        {
            throw GrpcFailure.ToException(request.Refusal ?? new(ErrorCode.InvalidArgument, "A message of a session has a number, 0 or more.", "number"));
        }

        _slots.AsSpan().Clear();
        var reader = new MessagePackReader(request.Map.Span);
        if ((request.Refusal ?? ParameterReader.Read(s_request, ref reader, _slots)) is { } unfit)
        {
            return unfit;
        }

        var (submits, cancels) = (_slots[1].Present, _slots[3].Number == 1);
        if (submits == cancels)
        {
            return new(ErrorCode.InvalidArgument, "A message of a session either submits a task or cancels the one of its number.", "submit");
        }

        if (submits)
        {
            return Submit(number, request.Map.Span);
        }

        if (_open.TryGetValue(number, out var task))
        {
            _desk.Cancel(_caller, task);
        }

        return null;
    }

    private OperationError? Submit(long number, ReadOnlySpan<byte> map)
    {
        if (Volatile.Read(ref _underWay) >= _window)
        {
            return new(ErrorCode.ResourceExhausted, $"{_window} tasks of this session are under way, which is its window: submit the next one when an end was told.", "number");
        }

        var task = new SessionTask(number, _slots[2].Number == 1, _room);
        if (!_open.TryAdd(number, task))
        {
            task.Dispose();
            return new(ErrorCode.Conflict, $"A task is under way under number {number}; it goes on. A number is free again when the end was told.", "number");
        }

        if (_desk.Begin(_caller, _slots[1].Of(map), task) is { } refusal)
        {
            _open.TryRemove(number, out _);
            task.Dispose();
            return refusal;
        }

        Interlocked.Increment(ref _underWay);
        Interlocked.Increment(ref _pending);
        _ = TellAsync(task);
        return null;
    }

    /// <summary>From the submission to the end: what is to be told of one task. Nobody waits for it; all its ways out are counted.</summary>
    private async Task TellAsync(SessionTask task)
    {
        try
        {
            var refusal = await task.Stored;
            if (refusal is null && task.Acknowledge)
            {
                _news.Writer.TryWrite(new(task.Number, Task: null) { Taken = task.Id });
            }

            refusal ??= await _desk.EndAsync(_caller, task, _over.Token);
            _news.Writer.TryWrite(new(task.Number, task) { Refusal = refusal });
        }
        catch (OperationCanceledException)
        {
            task.Dispose(); // the session is over: nobody is left to be told
        }
        finally
        {
            Settle();
        }
    }

    private async Task WriteAsync(IServerStreamWriter<GrpcReply> replies)
    {
        try
        {
            await WriteAllAsync(replies);
        }
        catch (Exception)
        {
            await _over.CancelAsync(); // who reads is not to go on for nobody
            throw;
        }
    }

    private async Task WriteAllAsync(IServerStreamWriter<GrpcReply> replies)
    {
        using var map = new PooledBuffer(1024);
        await replies.WriteAsync(ToReply(map, new(Number: null, Task: null) { Window = _window }), _gone);
        var unsent = 0;
        while (await _news.Reader.WaitToReadAsync(_over.Token))
        {
            while (_news.Reader.TryRead(out var news))
            {
                using var task = news.Task;
                if (task is not null)
                {
                    // Free before the caller can know that it is.
                    _open.TryRemove(task.Number, out _);
                    Interlocked.Decrement(ref _underWay);
                }

                var told = task?.End is { IsLeftOut: true } && news.Refusal is null
                    ? news with { Refusal = await _desk.ReadAgainAsync(_caller, task, _over.Token) } : news;
                var reply = ToReply(map, told);
                unsent += map.Count;
                var isLast = unsent >= FlushBytes || !_news.Reader.TryPeek(out _);
                replies.WriteOptions = isLast ? WriteOptions.Default : s_more;
                await replies.WriteAsync(reply, _gone);
                unsent = isLast ? 0 : unsent;
                if (news.IsOfReader)
                {
                    _refusals.Release();
                }
            }
        }
    }

    private GrpcReply ToReply(PooledBuffer map, in SessionNews news)
    {
        map.Clear();
        var writer = new MessagePackWriter(map);
        news.Write(ref writer);
        writer.Commit();
        return GrpcReply.Of(_shape, map);
    }

    /// <summary>One less whose news are to come; behind the last there is nothing to write.</summary>
    private void Settle()
    {
        if (Interlocked.Decrement(ref _pending) == 0)
        {
            _news.Writer.TryComplete();
        }
    }

    /// <summary>Waits until nothing of the session is under way any more, and lets go what was not told.</summary>
    private async Task EndAsync(Task writing)
    {
        await _over.CancelAsync();
        try
        {
            await writing;
        }
        catch (Exception) when (writing.IsCompleted)
        {
            // It was told to whom it concerns, or there is nobody.
        }

        await foreach (var news in _news.Reader.ReadAllAsync(CancellationToken.None))
        {
            news.Task?.Dispose();
        }
    }

    /// <summary>A token is looked at again as long as it is used.</summary>
    private void Look()
    {
        if (_callers.Revoked(_caller) is { } revoked)
        {
            _reason = revoked;
            _over.Cancel();
        }
    }

    private Exception Explain(Exception failure) =>
        _reason is { } reason ? GrpcFailure.ToException(reason)
        : failure is OperationCanceledException && _desk.Stopping.IsCancellationRequested ? GrpcFailure.ToException(new(ErrorCode.Unavailable, "The runtime is shutting down."))
        : failure;

    /// <summary>Fields are translated in their order, so the number stands first, whatever is wrong behind it.</summary>
    private static bool TryReadNumber(ReadOnlySpan<byte> map, out long number)
    {
        number = -1;
        var reader = new MessagePackReader(map);
        return reader.TryReadMapHeader(out var pairs) && pairs > 0 && reader.TryReadStringOrBinary(out var key) && key.SequenceEqual("number"u8)
            && reader.TryReadInt64(out number) && number >= 0;
    }
}
