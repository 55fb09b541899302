namespace Wayang.Fast.Core.Scheduling;

/// <content>
/// Ageing: strict levels would let a task of a low level wait for ever. Every interval the heads of all queues are looked
/// at, and what waited longer than its class's bound moves one class (16 levels) up, at most to level 55, to the end of its tenant's
/// queue there; its wait begins anew. A look moves at most <see cref="MovesPerTurn"/> tasks at a time and goes on at the next turn.
/// </content>
public sealed partial class Scheduler
{
    private const int MovesPerTurn = 64;
    private const int PoolsPerTurn = 16;
    private const int LevelsPerClass = 16;
    private const int HighestAged = 55;
    private const int OperationsPerTurn = 64;

    private readonly uint[] _bounds = new uint[Levels];
    private ulong _agedLevels;
    private long _start;
    private double _millisecondsPerTick;
    private uint _interval;
    private uint _now;
    private long _nextMillisecond; // timestamp up to which _now holds
    private uint _nextLook;
    private int _lookPool = -1;
    private int _operations = OperationsPerTurn;

    /// <summary>
    /// Reads the clock and lets ageing go on. The owner may call it once per turn; operations do it by themselves at the first
    /// one after "nothing can run" and after every 64.
    /// </summary>
    public void Advance() => Advance(_time.GetTimestamp());

    /// <param name="timestamp">Of the scheduler's clock, read by the caller for its own purposes too.</param>
    public void Advance(long timestamp)
    {
        _operations = 0;
        if (timestamp < _nextMillisecond && _lookPool < 0)
        {
            return;
        }

        _now = (uint)(long)((timestamp - _start) * _millisecondsPerTick);
        _nextMillisecond = _start + (long)((_now + 1L) / _millisecondsPerTick);
        if (_lookPool < 0 && (int)(_now - _nextLook) >= 0)
        {
            _nextLook = _now + _interval;
            _lookPool = 0;
        }

        if (_lookPool >= 0)
        {
            Look();
        }
    }

    /// <summary>Milliseconds that a task of the level waits before it is lifted; 0: it never is.</summary>
    public long AgeingBoundOf(int level) => _bounds[level];

    /// <summary>One class up, never into system.</summary>
    internal static int Lifted(int level) => Math.Min(level + LevelsPerClass, HighestAged);

    private void InitializeAgeing()
    {
        _start = _time.GetTimestamp();
        _millisecondsPerTick = 1e3 / _time.TimestampFrequency;
        _interval = (uint)_options.AgeingInterval.TotalMilliseconds;
        _nextLook = _interval;
        for (var level = 0; level < HighestAged; level++)
        {
            var bound = _options.BoundOf(level);
            if (bound > TimeSpan.Zero)
            {
                _bounds[level] = Math.Max(1, (uint)bound.TotalMilliseconds);
                _agedLevels |= 1UL << level;
            }
        }
    }

    private void Turn()
    {
        if (++_operations > OperationsPerTurn)
        {
            Advance();
        }
    }

    private void EndTurn() => _operations = OperationsPerTurn;

    /// <summary>Goes on with a look over all pools.</summary>
    private void Look()
    {
        var moves = MovesPerTurn;
        for (var i = 0; i < PoolsPerTurn; i++)
        {
            if (_lookPool >= _poolCount)
            {
                _lookPool = -1;
                return;
            }

            ref var entry = ref _pools[_lookPool];
            if (entry.Used && (entry.Bitmap & _agedLevels) != 0)
            {
                LookAt(_lookPool, ref entry, ref moves);
                if (moves == 0)
                {
                    return; // the same pool again next turn
                }
            }

            _lookPool++;
        }
    }

    private void LookAt(int pool, ref Pool entry, ref int moves)
    {
        // From above, so that nothing is lifted twice in one look.
        for (var levels = entry.Bitmap & _agedLevels; levels != 0 && moves > 0;)
        {
            var level = Highest(levels);
            levels &= ~(1UL << level);
            ref var at = ref _levels[(pool * Levels) + level];
            var flow = at.Current;
            for (var flows = at.Flows; flows > 0 && moves > 0; flows--)
            {
                var next = _queues.NextOf(flow);
                LiftOverdue(pool, ref entry, level, flow, ref moves);
                flow = next;
            }
        }

        Relink(pool, ref entry);
    }

    private void LiftOverdue(int pool, ref Pool entry, int level, int flow, ref int moves)
    {
        var tenant = _queues.TenantOf(flow);
        var emptied = false;
        while (!emptied && moves > 0 && _queues.TryTakeOverdue(flow, _now, _bounds[level], out var task, out var deadline, out emptied))
        {
            moves--;
            _queuedAt[level]--;
            Put(pool, ref entry, Lifted(level), tenant, task, _now, deadline);
            if (emptied)
            {
                Leave(ref _levels[(pool * Levels) + level], ref entry, level, flow);
            }
        }
    }

    /// <summary>A flow ran empty, whether it is the current one or not.</summary>
    private void Leave(ref Level at, ref Pool entry, int level, int flow)
    {
        if (at.Flows == 1)
        {
            entry.Bitmap &= ~(1UL << level);
            return;
        }

        if (at.Current == flow)
        {
            at.Current = _queues.NextOf(flow);
        }

        at.Flows--;
        _queues.Rest(flow);
    }
}
