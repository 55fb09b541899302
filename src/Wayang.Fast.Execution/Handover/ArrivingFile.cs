using System.IO.Pipelines;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Checkpoints;

namespace Wayang.Fast.Execution.Handover;

/// <summary>A call's file on its way here. A thread of its own reads what comes, piece by piece, and writes it anew; who brings it waits while that is a piece behind, as its writer does then. One caller at a time.</summary>
internal sealed class ArrivingFile : IArrivingFile
{
    /// <summary>Who waits for room goes on elsewhere than on the thread that made it: it may wait for that one next.</summary>
    private readonly Pipe _pipe = new(new PipeOptions(
        readerScheduler: PipeScheduler.Inline, pauseWriterThreshold: GrowingFile.Ahead, resumeWriterThreshold: GrowingFile.Ahead / 2, useSynchronizationContext: false));

    private readonly Task<TaskCheckpoint> _adopted;
    private bool _isKept;

    /// <param name="store">Where it goes.</param>
    /// <param name="durable">The ledger will know it.</param>
    /// <param name="of">What it must be of.</param>
    /// <param name="key">Of the file, as the other node wrote it.</param>
    /// <param name="awaiting">A worker that was made before; from now on this one's. Null: none was.</param>
    /// <param name="begin">Makes a worker of it while it comes, or takes the one that was made.</param>
    /// <exception cref="IOException">The disk, or another daemon uses the directory.</exception>
    public ArrivingFile(CheckpointStore store, bool durable, (TaskId Task, string Image, string Profile) of, ReadOnlySpan<byte> key, Standby? awaiting, Func<Standby?, WorkerShape, Standby?> begin)
    {
        var secret = key.ToArray();
        _adopted = Task.Factory.StartNew(() => Adopt(store, durable, of, secret, awaiting, begin), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    public long Received { get; private set; }

    public Task AppendAsync(ReadOnlySpan<byte> piece)
    {
        piece.CopyTo(_pipe.Writer.GetSpan(piece.Length));
        _pipe.Writer.Advance(piece.Length);
        Received += piece.Length;
        return HaveRoomAsync();
    }

    public TaskCheckpoint Keep()
    {
        _pipe.Writer.Complete();
        var kept = _adopted.GetAwaiter().GetResult();
        _isKept = true;
        return kept;
    }

    public void Dispose()
    {
        if (_isKept)
        {
            return;
        }

        _pipe.Writer.Complete(new IOException("it was given up"));
        _ = _adopted.ContinueWith(
            static done =>
            {
                if (done.IsCompletedSuccessfully)
                {
                    CheckpointStore.DeleteSoon(done.Result);
                }
                else
                {
                    _ = done.Exception; // seen
                }
            },
            TaskScheduler.Default);
    }

    private async Task HaveRoomAsync()
    {
        await _pipe.Writer.FlushAsync().ConfigureAwait(false);
        if (_adopted.IsFaulted)
        {
            await _adopted.ConfigureAwait(false); // says why
        }
    }

    private TaskCheckpoint Adopt(
        CheckpointStore store, bool durable, (TaskId Task, string Image, string Profile) of, byte[] key, Standby? awaiting, Func<Standby?, WorkerShape, Standby?> begin)
    {
        var isPassedOn = false;
        try
        {
            using var arriving = _pipe.Reader.AsStream(leaveOpen: true);
            return store.Adopt(arriving, key, durable, of, shape =>
            {
                isPassedOn = true;
                return begin(awaiting, shape);
            });
        }
        finally
        {
            _pipe.Reader.Complete();
            if (!isPassedOn)
            {
                awaiting?.Dispose();
            }
        }
    }
}
