using Wayang.Fast.Host.Monitoring;
using Xunit;

namespace Wayang.Fast.Host.Tests;

/// <summary>The look at the daemon's threads, over a clock that is never late.</summary>
public sealed class ThreadRanksTests
{
    [Fact]
    public void The_first_look_may_be_over_before_its_timer_is_handed_over()
    {
        var time = new PunctualTime();
        using (new ThreadRanks(time, static _ => { }, static _ => { }))
        {
            Assert.Equal([TimeSpan.Zero, TimeSpan.FromMilliseconds(200)], time.Asked);
            time.Fire();
            Assert.Equal(TimeSpan.FromMilliseconds(200), time.Asked[^1]);
            Assert.Equal(3, time.Asked.Count);
        }
    }

    /// <summary>What is due at once is called right where it is asked for.</summary>
    private sealed class PunctualTime : TimeProvider
    {
        private Action _callback = static () => { };

        public List<TimeSpan> Asked { get; } = [];

        public void Fire() => _callback();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            _callback = () => callback(state);
            var timer = new Timer(this);
            timer.Change(dueTime, period);
            return timer;
        }

        private sealed class Timer(PunctualTime time) : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period)
            {
                if (dueTime != Timeout.InfiniteTimeSpan)
                {
                    time.Asked.Add(dueTime);
                }

                if (dueTime == TimeSpan.Zero)
                {
                    time.Fire();
                }

                return true;
            }

            public void Dispose()
            {
            }

            public ValueTask DisposeAsync() => ValueTask.CompletedTask;
        }
    }
}
