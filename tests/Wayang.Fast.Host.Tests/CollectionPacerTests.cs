using Wayang.Fast.Host.Monitoring;
using Xunit;

namespace Wayang.Fast.Host.Tests;

/// <summary>When the pacer asks for a collection.</summary>
[Trait("Promise", "PM1")]
public sealed class CollectionPacerTests : IDisposable
{
    private readonly OneTimer _time = new();
    private readonly CollectionPacer _pacer;
    private long _allocated = 1 << 20;
    private int _collections = 7;

    private long _dispatched;
    private long _queued;

    public CollectionPacerTests() => _pacer = new CollectionPacer(
        _time, new CollectionSigns { Memory = 64L * (32 << 20), Allocated = () => _allocated, Collections = () => _collections, Dispatched = () => _dispatched, Queued = () => _queued }, () => _collections++);

    public void Dispose() => _pacer.Dispose();

    [Fact]
    public void It_asks_when_the_node_rests_and_there_is_a_portion()
    {
        Assert.Equal(CollectionPacer.Period, _time.Due);
        _allocated += CollectionPacer.Portion - 1;
        _time.Fire();
        Assert.Equal((0, CollectionPacer.Period), (_pacer.Asked, _time.Due));
        _allocated++;
        _time.Fire();
        Assert.Equal((1, CollectionPacer.Period), (_pacer.Asked, _time.Due));
        _allocated += CollectionPacer.Portion - 1;
        _time.Fire();
        Assert.Equal(1, _pacer.Asked);
    }

    [Fact]
    public void While_tasks_are_dispatched_it_waits_for_a_pause_between_them()
    {
        _allocated += CollectionPacer.Portion;
        for (var look = 0; look < 100; look++)
        {
            _dispatched++;
            _allocated += CollectionPacer.Portion;
            _time.Fire();
            Assert.Equal((0, CollectionPacer.Period), (_pacer.Asked, _time.Due));
        }

        _time.Fire();
        Assert.Equal((1, CollectionPacer.Period), (_pacer.Asked, _time.Due));
    }

    [Fact]
    public void Who_waits_for_a_worker_does_not_wait_for_a_collection_too()
    {
        _allocated += CollectionPacer.Portion;
        _queued = 1;
        _time.Fire();
        Assert.Equal((0, CollectionPacer.Period), (_pacer.Asked, _time.Due));
        _queued = 0;
        _time.Fire();
        Assert.Equal(1, _pacer.Asked);
    }

    [Fact]
    public void Load_that_never_rests_is_collected_beside_at_the_bound()
    {
        Assert.Equal(32 << 20, _pacer.Bound);
        _allocated += _pacer.Bound - 1;
        _dispatched++;
        _time.Fire();
        Assert.Equal(0, _pacer.Asked);
        _allocated++;
        _dispatched++;
        _time.Fire();
        Assert.Equal(1, _pacer.Asked);
    }

    [Fact]
    public void What_another_collection_took_does_not_count()
    {
        _allocated += CollectionPacer.Portion * 4;
        _collections++;
        _time.Fire();
        Assert.Equal(0, _pacer.Asked);
        _allocated += CollectionPacer.Portion;
        _time.Fire();
        Assert.Equal(1, _pacer.Asked);
    }

    /// <summary>The real collector, too, is asked and counted, on its own thread.</summary>
    [Fact]
    public void The_real_one_collects()
    {
        var time = new OneTimer();
        using var thread = new CollectionThread();
        using var pacer = new CollectionPacer(time, new CollectionSigns { Dispatched = static () => 0, Queued = static () => 0 }, thread.Collect);
        var before = GC.CollectionCount(0);
        for (var look = 0; look < 100 && pacer.Asked == 0; look++)
        {
            GC.KeepAlive(new byte[CollectionPacer.Portion / 4]);
            time.Fire();
        }

        Assert.Equal(1, pacer.Asked);
        Assert.True(GC.CollectionCount(0) > before);
    }

    private sealed class OneTimer : TimeProvider, ITimer
    {
        private Action _fire = static () => { };

        public TimeSpan Due { get; private set; }

        public void Fire() => _fire();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            _fire = () => callback(state);
            Due = dueTime;
            return this;
        }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            Due = dueTime;
            return true;
        }

        public void Dispose()
        {
        }

        public ValueTask DisposeAsync() => default;
    }
}
