namespace Wayang.Fast.Webhooks.Tests;

/// <summary>A clock that stands still until it is moved, with timers, and with a way to wait until one is armed.</summary>
internal sealed class ManualClock : TimeProvider
{
    private static readonly Task s_never = new TaskCompletionSource().Task;

    private readonly Lock _gate = new();
    private readonly List<Timer> _timers = [];
    private TimeSpan _set;
    private DateTimeOffset _now = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private TaskCompletionSource _armed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp()
    {
        lock (_gate)
        {
            return _now.Ticks;
        }
    }

    public override DateTimeOffset GetUtcNow()
    {
        lock (_gate)
        {
            return _now + _set;
        }
    }

    /// <summary>Somebody sets the wall clock; no time goes by.</summary>
    public void Set(TimeSpan by)
    {
        lock (_gate)
        {
            _set += by;
        }
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new Timer(this, () => callback(state));
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>
    /// What comes when a timer that stands so far ahead has gone off. Who waits may have read the clock before it was moved and rest after: it then rests as long once more, which a clock
    /// that goes by itself would see over, and this one is moved again.
    /// </summary>
    public async Task<T> PassAsync<T>(TimeSpan ahead, Task<T> comes)
    {
        do
        {
            await ArmedAsync(ahead, comes);
            if (!comes.IsCompleted)
            {
                Advance(ahead);
            }
        }
        while (!comes.IsCompleted);
        return await comes;
    }

    /// <summary>Ends when a timer stands that is due exactly so far from now.</summary>
    public Task ArmedAsync(TimeSpan ahead) => ArmedAsync(ahead, s_never);

    private async Task ArmedAsync(TimeSpan ahead, Task orElse)
    {
        while (true)
        {
            Task armed;
            lock (_gate)
            {
                if (orElse.IsCompleted || _timers.Exists(t => t.Due == _now + ahead))
                {
                    return;
                }

                armed = _armed.Task;
            }

            await Task.WhenAny(armed, orElse).WaitAsync(TimeSpan.FromSeconds(60));
        }
    }

    public void Advance(TimeSpan by)
    {
        List<Timer> due;
        lock (_gate)
        {
            _now += by;
            due = [.. _timers.Where(t => t.Due <= _now)];
            _timers.RemoveAll(t => t.Due <= _now);
        }

        due.ForEach(static t => t.Fire());
    }

    private void Arm(Timer timer, TimeSpan due)
    {
        lock (_gate)
        {
            _timers.Remove(timer);
            if (due != Timeout.InfiniteTimeSpan)
            {
                timer.Due = _now + due;
                _timers.Add(timer);
            }

            var armed = _armed;
            _armed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            armed.SetResult();
        }
    }

    private sealed class Timer(ManualClock clock, Action fire) : ITimer
    {
        public DateTimeOffset Due { get; set; }

        public void Fire() => fire();

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            clock.Arm(this, dueTime);
            return true;
        }

        public void Dispose() => clock.Arm(this, Timeout.InfiniteTimeSpan);

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
