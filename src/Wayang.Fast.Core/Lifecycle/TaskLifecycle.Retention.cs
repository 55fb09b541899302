namespace Wayang.Fast.Core.Lifecycle;

/// <content>How ended tasks are looked at once more, kept and forgotten.</content>
public sealed partial class TaskLifecycle
{
    /// <summary>Forgets what is over the bounds of retention, after a batch of ends. Completion thread only.</summary>
    public void ForgetExcess(long now)
    {
        RecordTimes();
        while (_retention.TryTakeExcess(out var record) || _retention.TryTakeExpired(now, out record))
        {
            Evict(record);
        }
    }

    /// <summary>
    /// The record that the next end will push out, if there are as many as there may be. It was used so long ago that it stands in no
    /// cache: asked for early, its memory comes beside other work. Completion thread only.
    /// </summary>
    public TaskRecord? NextToForget => _retention.TryPeekNext(out var record) ? record : null;

    /// <summary>Forgets up to <paramref name="limit"/> tasks whose time is over. Completion thread; End does it too, this is for quiet times.</summary>
    /// <returns>How many were forgotten.</returns>
    public int Sweep(int limit)
    {
        RecordTimes();
        var now = _time.GetTimestamp();
        _clock.Synchronize(_time, now);
        var done = 0;
        while (done < limit && (_retention.TryTakeExpired(now, out var record) || _retention.TryTakeExcess(out record)))
        {
            Evict(record);
            done++;
        }

        return done;
    }

    private void RecordTimes()
    {
        while (_retention.TryVisitNew(out var record))
        {
            Times.Record(record);
            if (record.Type is not null)
            {
                Learn(record);
            }
        }
    }
}
