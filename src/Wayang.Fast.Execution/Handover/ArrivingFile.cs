using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Checkpoints;

namespace Wayang.Fast.Execution.Handover;

/// <summary>A call on its way home. A thread of its own takes what comes, piece by piece, and writes it anew.</summary>
internal sealed class ArrivingFile : IArrivingFile
{
    private readonly Stream _from;
    private bool _isKept;

    /// <param name="from">The connection, behind its preface; owned.</param>
    /// <param name="adopt">Makes a file of what comes.</param>
    public ArrivingFile(Stream from, Func<CallReceiver, TaskCheckpoint> adopt)
    {
        _from = from;
        Whole = Task.Factory.StartNew(() => Take(new CallReceiver(from), adopt), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    public Task<TaskCheckpoint> Whole { get; }

    public TaskCheckpoint Keep()
    {
        var kept = Whole.GetAwaiter().GetResult();
        _isKept = true;
        return kept;
    }

    public void Dispose()
    {
        _from.Dispose();
        if (_isKept)
        {
            return;
        }

        _ = Whole.ContinueWith(
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

    private static TaskCheckpoint Take(CallReceiver receiver, Func<CallReceiver, TaskCheckpoint> adopt)
    {
        var file = adopt(receiver);
        try
        {
            receiver.Say(new CallWord(CallWordKind.Kept, receiver.Received));
        }
        catch (EndOfStreamException)
        {
            // It is kept all the same: who sent it is told by other ways that it is not needed there.
        }

        return file;
    }
}
