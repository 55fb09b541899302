using Wayang.Fast.Core.Ports;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Checkpoints;

/// <summary>
/// A worker that is made of a call's memory while the call's file is on its way, so that it stands ready when the file is whole. It is only ever a short cut: whatever is wrong with it, the call goes on from the
/// file. It may be begun before the first of it is there. Fed by one thread; given up by any.
/// </summary>
internal sealed class Standby : IAwaitingWorker
{
    private static readonly TimeSpan s_stall = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_unfed = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_preparation = TimeSpan.FromMilliseconds(500);

    private readonly Standbys _owner;
    private readonly ITimer _patience;
    private int _pipe;
    private int _over;

    public Standby(Standbys owner, Continuation continuation, int pipe)
    {
        (_owner, Continuation, _pipe) = (owner, continuation, pipe);
        _patience = TimeProvider.System.CreateTimer(static standby => ((Standby)standby!).GiveUp(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _patience.Change(s_unfed, Timeout.InfiniteTimeSpan); // it may fire at once, and needs the timer
    }

    public Continuation Continuation { get; }

    public Task WhenPreparedAsync() => Task.WhenAny(Continuation.Prepared.Task, Task.Delay(s_preparation));

    /// <summary>Nobody takes it any more, or somebody has.</summary>
    public bool IsOver => Volatile.Read(ref _over) != 0;

    /// <summary>A part of its memory, in order. Waits while its worker is behind, for a bounded time.</summary>
    public void Feed(ReadOnlySpan<byte> piece)
    {
        _patience.Change(s_stall, Timeout.InfiniteTimeSpan); // then its worker is killed, which ends the wait
        while (!piece.IsEmpty && _pipe >= 0 && !IsOver)
        {
            var done = Descriptors.Write(_pipe, piece);
            if (done <= 0)
            {
                GiveUp(); // its reader failed
                break;
            }

            piece = piece[done..];
        }

        _patience.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>The file is whole: from now on whoever continues from it may take this.</summary>
    public void Complete(string path, CheckpointState state)
    {
        Close();
        if (!IsOver)
        {
            _owner.Offer(path, this, state);
            _patience.Change(Standbys.Patience, Timeout.InfiniteTimeSpan);
        }
    }

    /// <returns>False: it was given up before.</returns>
    public bool TryTake() => TryEnd();

    /// <summary>Its worker ends, if there is one. Of no effect once it was taken.</summary>
    public void GiveUp()
    {
        if (TryEnd())
        {
            _owner.Release(this);
            Continuation.Prepared.TrySetResult();
        }
    }

    public void Dispose()
    {
        Close();
        GiveUp();
    }

    private bool TryEnd()
    {
        if (Interlocked.Exchange(ref _over, 1) != 0)
        {
            return false;
        }

        _patience.Dispose();
        return true;
    }

    /// <summary>The end of its memory. The feeding thread, or who has it before there is one.</summary>
    private void Close() => Descriptors.Close(Interlocked.Exchange(ref _pipe, -1));
}
