using Wayang.Fast.Execution.Checkpoints;
using Wayang.Fast.Execution.Dispatch;
using Wayang.Fast.Execution.Images;
using Wayang.Fast.Execution.Spawner;
using Wayang.Fast.Execution.Workers;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Supervision;

/// <content>Workers that are made of a call's memory while its file is on its way. What fails here is nobody's failure: the call goes on from the file.</content>
internal sealed partial class Supervisor
{
    /// <summary>A worker is to be made of what comes through a pipe, whose end is this one's from now on. Thread-safe.</summary>
    public void Begin(Standby standby, int pipe) => Post(new SupervisorRequest(SupervisorRequestKind.BeginStandby, Count: pipe, Standby: standby));

    /// <summary>All of its memory was sent to it: the rest of what it needs. Thread-safe.</summary>
    public void Fill(Continuation ahead, CheckpointState state) => Post(new SupervisorRequest(SupervisorRequestKind.FillStandby, Continuation: ahead, Filling: state));

    /// <summary>Its worker ends. Thread-safe.</summary>
    public void GiveUp(Continuation ahead) => Post(new SupervisorRequest(SupervisorRequestKind.GiveUpStandby, Continuation: ahead));

    private void HandleStandby(in SupervisorRequest request)
    {
        switch (request.Kind)
        {
            case SupervisorRequestKind.BeginStandby:
                BeginStandby(request.Standby!, request.Count);
                break;
            case SupervisorRequestKind.FillStandby:
                FillStandby(request.Continuation!, request.Filling!);
                break;
            default:
                KillStandby(request.Continuation!);
                break;
        }
    }

    private void BeginStandby(Standby standby, int pipe)
    {
        try
        {
            var continuation = standby.Continuation;
            var image = continuation.Pool.Image;
            if (standby.IsOver || _stopping || !_link.IsReady || image.State != ImageState.Ready || !image.IsMigratable || _launcher.Continue(continuation, pipe) is not null)
            {
                Lose(continuation);
            }
        }
        finally
        {
            Descriptors.Close(pipe);
        }
    }

    private void FillStandby(Continuation ahead, CheckpointState state)
    {
        if (ahead.HasExited || Workers.Find(ahead.Worker) is not { } worker || worker.Continuation != ahead)
        {
            return; // it was never made, or has ended: the dispatch owner knows, or will
        }

        try
        {
            if (worker.TryFill(state))
            {
                ahead.State = state;
                worker.Reader.PrepareSleep(); // it is watched since it was begun, and does not ring before it goes on
                TellIfReady(worker);
                return;
            }
        }
        catch (IOException)
        {
            // As one that does not fit.
        }

        KillStandby(ahead);
    }

    /// <summary>Before the completion thread reads its last words: nothing is filled in any more.</summary>
    private static void NoteExit(CallWorker worker)
    {
        if (worker.Continuation is { } continuation)
        {
            continuation.HasExited = true;
            continuation.Prepared.TrySetResult();
        }
    }

    private bool OnPrepared(ReadOnlySpan<byte> body)
    {
        if (!MoveMessages.TryReadPrepared(body, out var id))
        {
            return false;
        }

        Workers.Find(id)?.Continuation?.Prepared.TrySetResult();
        return true;
    }

    private void TellIfReady(CallWorker worker)
    {
        if (worker.Continuation is { Moved: not null, State: not null })
        {
            _shard.Post(new ShardEvent(ShardEventKind.WorkerRestored, worker));
        }
    }

    private void KillStandby(Continuation ahead)
    {
        if (ahead.Worker == 0)
        {
            Lose(ahead);
        }
        else
        {
            _link.SendSignal(ahead.Worker, 9);
        }
    }

    /// <summary>There is no worker, whose end would say it.</summary>
    private void Lose(Continuation ahead)
    {
        ahead.Prepared.TrySetResult();
        _shard.Post(new ShardEvent(ShardEventKind.ContinuationFailed, Continuation: ahead));
    }
}
