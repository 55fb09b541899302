namespace Wayang.Fast.Core.Lifecycle;

/// <content>How ended tasks are looked at once more, kept and forgotten.</content>
public sealed partial class TaskLifecycle
{
    // Forgetting one takes microseconds, as its memory is in no cache: a large output that is worth ten thousand small ones must not hold
    // up everybody while these go. What is owed goes after the next ends, or with the sweep.
    private const int MostForgottenAtOnce = 256;

    /// <summary>Forgets what is over the bounds of retention, after a batch of ends. Completion thread only.</summary>
    public void ForgetExcess(long now)
    {
        RecordTimes();
        var done = ForgetHeavy(MostForgottenAtOnce);

        // As many as the batch brought: their records are needed.
        while (_retention.TryTakeExcess(out var record))
        {
            Evict(record);
        }

        for (; done < MostForgottenAtOnce && _retention.TryTakeExpired(now, out var record); done++)
        {
            Evict(record);
        }
    }

    /// <summary>
    /// The record that the next end will push out, if there are as many as there may be. It was used so long ago that it stands in no
    /// cache: asked for early, its memory comes beside other work. Completion thread only.
    /// </summary>
    public TaskRecord? NextToForget => _retention.TryPeekNext(out var record) ? record : null;

    /// <summary>Forgets up to <paramref name="limit"/> tasks whose time is over, or that are too many or hold too much. Completion thread; End does it too, this is for
    /// quiet times.</summary>
    /// <returns>How many were forgotten: as many as the limit when there may be more to forget.</returns>
    public int Sweep(int limit)
    {
        RecordTimes();
        var now = _time.GetTimestamp();
        _clock.Synchronize(_time, now);
        var done = ForgetHeavy(limit);
        while (done < limit && (_retention.TryTakeExpired(now, out var record) || _retention.TryTakeExcess(out record)))
        {
            Evict(record);
            done++;
        }

        return done;
    }

    private int ForgetHeavy(int limit)
    {
        var done = 0;
        for (; (done < limit || _retention.IsFarOverBytes) && _retention.TryTakeHeavy(out var record); done++)
        {
            Evict(record);
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
