using System.Collections.Concurrent;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Execution.Checkpoints;
using Wayang.Fast.Execution.Completions;
using Wayang.Fast.Execution.Dispatch;
using Wayang.Fast.Execution.Images;
using Wayang.Fast.Execution.Spawner;
using Wayang.Fast.Execution.Workers;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Supervision;

/// <content>Workers that are written down, and workers that are made to go on from a file. What waits for the disk has a thread of its own.</content>
internal sealed partial class Supervisor
{
    private const int BusyRetryMs = 100;
    private const ulong FirstCaptureRequest = 1UL << 62;

    private static readonly TimeSpan s_filePatience = TimeSpan.FromSeconds(10);

    private readonly Dictionary<ulong, Capture> _captures = [];
    private readonly ConcurrentDictionary<Task, bool> _fileWork = new();
    private ulong _nextCapture = FirstCaptureRequest;

    /// <summary>Null: nothing is written down. Set once by the composition.</summary>
    public CheckpointStore? Checkpoints { get; set; }

    /// <summary>Set once by the composition.</summary>
    public CheckpointReport CheckpointReport { get; set; } = null!;

    /// <summary>A worker is to be written down. Thread-safe.</summary>
    public void Capture(Capture capture) => Post(new SupervisorRequest(SupervisorRequestKind.Capture, Capture: capture));

    /// <summary>A captured worker goes on after all. Thread-safe.</summary>
    public void LetGo(ulong worker) => Post(new SupervisorRequest(SupervisorRequestKind.LetGo, Worker: worker));

    /// <summary>A worker that continues a call may begin: its checkpoint is used up. Thread-safe.</summary>
    public void GoOn(CallWorker worker) => Post(new SupervisorRequest(SupervisorRequestKind.GoOn, CallWorker: worker));

    /// <summary>A call is to go on from its file. Thread-safe.</summary>
    public void Continue(Continuation continuation) => Post(new SupervisorRequest(SupervisorRequestKind.Continue, Continuation: continuation));

    private void HandleMove(in SupervisorRequest request)
    {
        switch (request.Kind)
        {
            case SupervisorRequestKind.Capture:
                BeginCapture(request.Capture!);
                break;
            case SupervisorRequestKind.LetGo:
                _link.SendGo(request.Worker);
                break;
            case SupervisorRequestKind.GoOn:
                CheckpointReport.OnRestored(request.CallWorker!.Continuation!, request.CallWorker.Continuation!.Moved!.Value);
                if (!request.CallWorker!.Continuation!.IsDurable)
                {
                    CheckpointStore.DeleteSoon(request.CallWorker.Continuation.Checkpoint!); // else when the ledger knows that it goes on
                }

                _link.SendGo(request.CallWorker.Id);
                break;
            default:
                BeginContinuation(request);
                break;
        }
    }

    private void BeginCapture(Capture capture)
    {
        if (capture.IsRestart)
        {
            _completion.Post(new CompletionCommand(CompletionCommandKind.RestartDue, Capture: capture));
            return;
        }

        var (read, write) = (-1, -1);
        try
        {
            (read, write) = Descriptors.CreatePipe(nonBlockingRead: false, nonBlockingWrite: false);
            var request = _nextCapture++;
            if (!_link.SendCapture(request, capture.Worker.Id, capture.IsLive, write))
            {
                throw new IOException("the spawner cannot be asked now");
            }

            _captures.Add(request, capture);
            var (pipe, store) = (read, Checkpoints!);
            read = -1;
            OnDisk(() => WriteDown(capture, store, pipe));
        }
        catch (Exception failure) when (failure is NativeException or IOException)
        {
            FailCapture(capture, ErrorCode.Unavailable, failure.Message);
        }
        finally
        {
            Descriptors.Close(read);
            Descriptors.Close(write);
        }
    }

    private void WriteDown(Capture capture, CheckpointStore store, int pipe)
    {
        try
        {
            Stall(FaultPoint.CaptureUnread);
            capture.File = store.Write(capture.Task, capture.IsDurable, pipe, new WorkerShape(capture.Worker.Channel.Geometry, capture.Worker.Concurrency), capture.State, capture.Sender) is { } file ? file with { StandsSince = capture.StandsSince } : null;
            Stall(FaultPoint.CaptureUntold);
            if (capture.File is not null)
            {
                _completion.Post(new CompletionCommand(CompletionCommandKind.CheckpointWritten, Capture: capture));
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or NativeException or InvalidDataException)
        {
            FailCapture(capture, ErrorCode.Unavailable, $"the checkpoint could not be written: {failure.Message}");
        }
        finally
        {
            Descriptors.Close(pipe);
        }
    }

    private void FailCapture(Capture capture, ErrorCode code, string why, int? retryAfterMs = null) => _completion.Post(new CompletionCommand(
        CompletionCommandKind.CaptureFailed, Capture: capture, Refusal: new OperationError(code, why, "task", retryAfterMs)));

    private bool OnCaptured(ulong request, ReadOnlySpan<byte> body)
    {
        if (!MoveMessages.TryReadMoved(body, out var moved))
        {
            return false;
        }

        if (_captures.Remove(request, out var capture))
        {
            capture.OnMoved(moved);
            _completion.Post(new CompletionCommand(CompletionCommandKind.Captured, Capture: capture));
        }

        return true;
    }

    private bool OnCaptureRefused(ulong request, in SpawnerFailure failure)
    {
        if (!_captures.Remove(request, out var capture))
        {
            return request is >= FirstCaptureRequest and < 1UL << 63;
        }

        FailCapture(capture, ErrorCode.Conflict, failure.Text, failure.IsBusy ? BusyRetryMs : null);
        return true;
    }

    private void LoseCaptures(string why)
    {
        foreach (var capture in _captures.Values)
        {
            FailCapture(capture, ErrorCode.Unavailable, why);
        }

        _captures.Clear();
    }

    private void BeginContinuation(in SupervisorRequest request)
    {
        var continuation = request.Continuation!;
        if (continuation.State is not null)
        {
            StartContinued(request);
            return;
        }

        var (store, path) = (Checkpoints!, continuation.Checkpoint!.File);
        OnDisk(() =>
        {
            try
            {
                Stall(FaultPoint.CheckpointUnread);
                var (state, key) = (store.ReadState(path), continuation.Pool.Key);
                continuation.State = state.IsOf(continuation.Task, key.Image, key.Profile)
                    ? state
                    : throw new InvalidDataException($"{path}: it is of task {state.Task}, image {state.Image} under {state.Profile}, not of this one");
                Continue(continuation);
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or InvalidDataException)
            {
                FailContinuation(continuation, failure.Message);
            }
        });
    }

    /// <summary>A thread of its own for what waits for the disk or for an agent. It ends when the file is read or written, or its pipe's other end is gone.</summary>
    private void OnDisk(Action work)
    {
        var task = new Task(work, TaskCreationOptions.LongRunning);
        _fileWork[task] = true;
        _ = task.ContinueWith(t => _fileWork.TryRemove(t, out _), TaskScheduler.Default);
        task.Start(TaskScheduler.Default);
    }

    /// <summary>After the spawner's socket was closed, with which the agents end: what these threads would tell is asked for by nobody, and who is told is about to go.</summary>
    private void AwaitFileWork() => Task.WaitAll([.. _fileWork.Keys], s_filePatience);

    private void Stall(FaultPoint point)
    {
        while (_shard.Faults.Hit(point) && !_stopping)
        {
            Thread.Yield();
        }
    }

    private void StartContinued(in SupervisorRequest request)
    {
        var continuation = request.Continuation!;
        var image = continuation.Pool.Image;
        if (image.State == ImageState.Failed)
        {
            FailContinuation(continuation, image.Failure ?? "the image failed");
        }
        else if (!_link.IsReady || image.State != ImageState.Ready)
        {
            _retries.Add(request);
        }
        else if (!image.IsMigratable)
        {
            FailContinuation(continuation, "its image is not open for moves any more (migration.compute)");
        }
        else
        {
            SendContinued(continuation);
        }
    }

    private void SendContinued(Continuation continuation)
    {
        var (read, write) = (-1, -1);
        try
        {
            (read, write) = Descriptors.CreatePipe(nonBlockingRead: false, nonBlockingWrite: false);
            if (_launcher.Continue(continuation, read) is { } why)
            {
                FailContinuation(continuation, why);
                return;
            }

            var (pipe, store, path) = (write, Checkpoints!, continuation.Checkpoint!.File);
            write = -1;
            OnDisk(() => Feed(store, path, pipe));
        }
        catch (NativeException failure)
        {
            FailContinuation(continuation, failure.Message);
        }
        finally
        {
            Descriptors.Close(read);
            Descriptors.Close(write);
        }
    }

    /// <summary>What fails here ends the stream too early, which the agent that reads it tells.</summary>
    private void Feed(CheckpointStore store, string path, int pipe)
    {
        try
        {
            Stall(FaultPoint.CheckpointUnfed);
            store.CopyStream(path, pipe);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or InvalidDataException or NativeException)
        {
            // The end of the pipe says it.
        }
        finally
        {
            Descriptors.Close(pipe);
        }
    }

    private void FailContinuation(Continuation continuation, string why)
    {
        _shard.Post(new ShardEvent(ShardEventKind.ContinuationFailed, Continuation: continuation));
        _completion.Post(new CompletionCommand(CompletionCommandKind.ContinuationFailed, Continuation: continuation, Reason: why));
    }

    private bool OnRestored(ReadOnlySpan<byte> body)
    {
        if (!MoveMessages.TryReadMoved(body, out var moved))
        {
            return false;
        }

        if (Workers.Find(moved.Worker) is { Continuation: { } continuation } worker)
        {
            continuation.Moved = moved;
            TellIfReady(worker);
        }

        return true;
    }
}
