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

    public CollectionPacerTests() => _pacer = new CollectionPacer(_time, () => _allocated, () => _collections, () => _collections++);

    public void Dispose() => _pacer.Dispose();

    [Fact]
    public void It_asks_once_a_portion_was_allocated_since_the_last_collection()
    {
        _allocated += CollectionPacer.Portion - 1;
        _time.Fire();
        Assert.Equal((0, CollectionPacer.Shortest), (_pacer.Asked, _time.Due));
        _allocated++;
        _time.Fire();
        Assert.Equal(1, _pacer.Asked);
        _allocated += CollectionPacer.Portion - 1;
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

    [Fact]
    public void A_node_at_rest_is_looked_at_seldom()
    {
        _time.Fire();
        Assert.Equal((0, CollectionPacer.AtRest), (_pacer.Asked, _time.Due));
        _allocated++;
        _time.Fire();
        Assert.Equal(CollectionPacer.Shortest, _time.Due);
        for (var look = 1; look < CollectionPacer.Idle; look++)
        {
            _time.Fire();
            Assert.Equal(CollectionPacer.Shortest, _time.Due);
        }

        _time.Fire();
        Assert.Equal(CollectionPacer.AtRest, _time.Due);
    }

    /// <summary>The real collector, too, is asked and counted, on its own thread.</summary>
    [Fact]
    public void The_real_one_collects()
    {
        var time = new OneTimer();
        using var thread = new CollectionThread();
        using var pacer = new CollectionPacer(time, thread.Collect);
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
