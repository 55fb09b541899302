using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Checkpoints;

namespace Wayang.Fast.Execution.Handover;

/// <summary>A call on its way home. A thread of its own takes what comes, piece by piece, and writes it anew.</summary>
internal sealed class ArrivingFile : IArrivingCall
{
    private readonly Stream _from;
    private readonly Task<TaskCheckpoint> _file;
    private bool _isKept;

    /// <param name="from">The connection, behind its preface; owned.</param>
    /// <param name="adopt">Makes a file of what comes.</param>
    public ArrivingFile(Stream from, Func<CallReceiver, TaskCheckpoint> adopt)
    {
        _from = from;
        _file = Task.Factory.StartNew(() => Take(new CallReceiver(from), adopt), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        Whole = BytesAsync();
    }

    public Task<long> Whole { get; }

    /// <summary>It is the task's from now on. Once it is whole.</summary>
    public TaskCheckpoint Keep()
    {
        var kept = _file.GetAwaiter().GetResult();
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

        _ = Whole.ContinueWith(static bytes => bytes.Exception, TaskScheduler.Default); // seen
        _ = _file.ContinueWith(
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

    private async Task<long> BytesAsync() => (await _file.ConfigureAwait(false)).Bytes;

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
