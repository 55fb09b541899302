using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Execution.Durable;

/// <summary>
/// What a durable task saved, on its way into the ledger. Until the ledger takes it a later one takes its place, so that of a task that saves without end at most two wait. It holds the state, and copies
/// it when it is written.
/// </summary>
/// <param name="id">Of the task.</param>
/// <param name="toldMs">When a state of the task was told as an event last.</param>
/// <param name="tell">Makes the event of so many bytes.</param>
internal sealed class StoredState(TaskId id, long toldMs, Func<long, long, NodeEvent> tell) : LedgerState(id)
{
    private const long TellEveryMs = 1_000;

    private readonly Lock _lock = new();
    private SavedState? _state;
    private long _atMs;
    private long _times;
    private bool _taken;

    /// <summary>When one was told last, this one included. Completion thread.</summary>
    public long ToldMs => Tells ? _atMs : toldMs;

    public override long Bytes
    {
        get
        {
            lock (_lock)
            {
                return _state?.Bytes.Length ?? 0;
            }
        }
    }

    private bool Tells => _atMs - toldMs >= TellEveryMs;

    /// <summary>Completion thread.</summary>
    /// <returns>False: the ledger has taken the one before; this one needs a write of its own.</returns>
    public bool TryReplace(SavedState state, long atMs, long times)
    {
        lock (_lock)
        {
            if (_taken)
            {
                return false;
            }

            if (!state.TryHold())
            {
                return true; // its task has ended: nobody needs it
            }

            _state?.Release();
            (_state, _atMs, _times) = (state, atMs, times);
            return true;
        }
    }

    public override LedgerSaved Read()
    {
        lock (_lock)
        {
            _taken = true;
            return new LedgerSaved(_state!.Bytes.ToArray(), _atMs, _times);
        }
    }

    public override NodeEvent? Told(int changed) => changed > 0 && Tells ? tell(Bytes, _atMs) : null;

    public override void OnStored()
    {
        lock (_lock)
        {
            _state?.Release();
            _state = null;
        }
    }
}
