using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Core.Lifecycle;

/// <content>
/// Who is told of an end. On the completion thread, but for results that are large: whoever is told copies them, mostly into memory that was never
/// written, and that is 70 ms for 16 MiB, in which nobody's tasks would end. They are told on a thread of the pool, while the record is pinned.
/// </content>
public sealed partial class TaskLifecycle
{
    /// <summary>A result with more bytes than that is told beside the completion thread.</summary>
    public const int LargeResultBytes = 64 << 10;

    private readonly HashSet<ITaskObserver> _told = new(ReferenceEqualityComparer.Instance);
    private ITaskObserver? _lastTold;

    /// <summary>Tells each observer that was told an end since the last call, once, that the batch is over.</summary>
    public void EndBatch()
    {
        RecordTimes();
        if (_lastTold is { } single && _told.Count == 0)
        {
            _lastTold = null;
            single.OnBatchEnd();
        }
        else if (_lastTold is not null)
        {
            _told.Add(_lastTold);
            _lastTold = null;
            foreach (var observer in _told)
            {
                observer.OnBatchEnd();
            }

            _told.Clear();
        }

        _clock.Synchronize(_time, _lastEnded);
    }

    /// <summary>Tells one that came after the end, on this thread or, of a large result, on the pool. The caller's pin of the record goes over to this.</summary>
    public void TellEnded(TaskRecord pinned, ITaskObserver observer, long token)
    {
        ArgumentNullException.ThrowIfNull(pinned);
        var end = new TellingBeside(this, pinned, observer, token, waiter: null);
        if (pinned.ResultBytes > LargeResultBytes)
        {
            ThreadPool.UnsafeQueueUserWorkItem(end, preferLocal: false);
        }
        else
        {
            end.Execute();
        }
    }

    private void Tell(TaskRecord record, ulong before)
    {
        var observer = (before & RecordWord.Withdrawn) == 0 ? record.Observer : null;
        Waiter? waiter = null;
        StreamWatch? watch = null;
        if ((before & RecordWord.HasWaiters) != 0)
        {
            lock (LockOf(record))
            {
                waiter = record.Waiters;
                record.Waiters = null;
                watch = record.Watches;
                record.Watches = null;
            }
        }

        if ((observer is not null || waiter is not null) && record.ResultBytes > LargeResultBytes && TryPin(record.Id, out _))
        {
            ThreadPool.UnsafeQueueUserWorkItem(new TellingBeside(this, record, observer, record.Token, waiter), preferLocal: false);
            (observer, waiter) = (null, null);
        }

        if (observer is not null)
        {
            TellOne(record, observer, record.Token);
        }

        for (; watch is not null; watch = watch.Next)
        {
            watch.Observer.OnOutput();
        }

        for (; waiter is not null; waiter = waiter.Next)
        {
            TellOne(record, waiter.Observer, waiter.Token);
        }
    }

    private void TellOne(TaskRecord record, ITaskObserver observer, long token)
    {
        if (!ReferenceEquals(observer, _lastTold))
        {
            if (_lastTold is not null)
            {
                _told.Add(_lastTold);
            }

            _lastTold = observer;
        }

        observer.OnTaskEnded(record, token);
    }

    /// <summary>An end that is told beside the completion thread. Owns a pin of the record.</summary>
    private sealed class TellingBeside(TaskLifecycle lifecycle, TaskRecord record, ITaskObserver? observer, long token, Waiter? waiter) : IThreadPoolWorkItem
    {
        public void Execute()
        {
            try
            {
                Tell(observer, token);
                for (var next = waiter; next is not null; next = next.Next)
                {
                    Tell(next.Observer, next.Token);
                }
            }
            finally
            {
                lifecycle.Unpin(record);
            }
        }

        private void Tell(ITaskObserver? one, long itsToken)
        {
            one?.OnTaskEnded(record, itsToken);
            one?.OnBatchEnd();
        }
    }
}
