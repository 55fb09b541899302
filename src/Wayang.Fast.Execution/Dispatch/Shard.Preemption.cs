using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Preemption;
using Wayang.Fast.Core.Scheduling;
using Wayang.Fast.Execution.Preemption;
using Wayang.Fast.Execution.Spawner;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Dispatch;

/// <content>
/// Slots that are lent: where tasks wait and no slot is free, a task of a lower class is frozen (<see cref="PreemptionBook"/> chooses), its slot is given back
/// as if it had ended, and taken again when it goes on. Looked at only where something waits; while nothing is frozen a round pays for it with two
/// comparisons.
/// </content>
internal sealed partial class Shard
{
    private const int MostWanted = 64;
    private const int MostFreezesPerRound = 64;
    private static readonly long s_fruitlessTicks = Stopwatch.Frequency / 1000;

    private readonly PreemptionBook _preemption = new(Stopwatch.Frequency);
    private readonly Dictionary<(TaskId Id, long Started), RunningCommand> _commands = [];
    private readonly Dictionary<long, object> _frozenByKey = []; // a RunningCommand or a CallWorker
    private readonly List<PreemptionCandidate> _candidates = [];
    private readonly List<object> _candidateOwners = [];
    private bool _preempts = true;
    private int _frozen;
    private long _lastKey;
    private int _search;
    private long _fruitlessUntil;
    private int _fruitlessQueued;

    /// <summary>Who is frozen, and how often it happened. Its counters may be read by any thread.</summary>
    public PreemptionBook Preemption => _preemption;

    /// <summary>Tasks that are frozen now. Any thread; a momentary value.</summary>
    public int Frozen => Volatile.Read(ref _frozen);

    private void ConfigurePreemption()
    {
        _preemption.Policy = _options.Current.Preemption;
        _preempts = _preemption.Policy.Enabled;
        _fruitlessUntil = 0;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void EnqueueBesideFrozen(int drained)
    {
        var own = _completing ? _turnSubmittedCount : 0;
        EnqueueAll(_drained.AsSpan(0, drained));
        EnqueueAll(_turnSubmitted.AsSpan(0, own));
        _turnSubmittedCount -= own;
    }

    /// <summary>One at a time: after each start it is looked at whether the next slot is a frozen task's.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void DispatchBesideFrozen()
    {
        while (true)
        {
            ThawAll();
            if (!_scheduler.TryDequeue(out var item))
            {
                return;
            }

            Dispatch(item);
        }
    }

    private void ThawAll()
    {
        var again = true;
        while (again && _frozen != 0)
        {
            again = false;
            foreach (ref readonly var task in _preemption.InThawOrder(_now))
            {
                var owner = _frozenByKey[task.Key];
                if (_preemption.MayThaw(task, RoomFor(owner), _now))
                {
                    GoOn(owner);
                    again = true; // the order and the room are others now
                    break;
                }
            }
        }
    }

    private ThawRoom RoomFor(object owner)
    {
        var pool = owner is CallWorker worker ? worker.Pool : ((RunningCommand)owner).Pool;
        var free = pool.IsCommand ? _scheduler.FreeSlots(pool.SchedulerId)
            : pool.LiveWorkers - pool.FrozenWorkers < pool.MaxWorkers || FindIdle(pool, long.MaxValue) is not null ? 1 : 0;
        if (_memory.Count > 0 && (free <= 0 || _scheduler.IsNodeFull) && MayShare(pool, free))
        {
            return new ThawRoom(true, -1);
        }

        _scheduler.TryPeekNext(pool.SchedulerId, out _, out var highest);
        if (_scheduler.NodeSlots != Scheduler.Unbounded)
        {
            highest = Math.Max(highest, _scheduler.HighestReady());
        }

        return new ThawRoom(free > 0 && !_scheduler.IsNodeFull && !IsHeld(pool), highest);
    }

    /// <summary>
    /// What waits for memory holds a slot that nothing runs in, perhaps for the very memory that the frozen task holds: that one goes on in it, or both would
    /// wait for ever.
    /// </summary>
    private bool MayShare(WorkerPool pool, int free) =>
        _scheduler.FreeNodeSlots + _memory.Count > 0 && free + (pool.IsCommand ? _memory.Tasks.Count(t => _table[t].Pool == pool.Id) : 0) > 0;

    private void GoOn(object owner)
    {
        if (owner is RunningCommand command)
        {
            Reclaim(command, ended: false);
            Supervisor.FreezeCommand(command.Id, freeze: false);
            return;
        }

        var worker = (CallWorker)owner;
        var pool = worker.Pool;
        if (pool.LiveWorkers - pool.FrozenWorkers >= pool.MaxWorkers && FindIdle(pool, long.MaxValue) is { } spare)
        {
            Detach(spare); // it stood in for this one
            Supervisor.Kill(spare.Id);
        }

        Reclaim(worker, ended: false);
        Supervisor.FreezeWorker(worker.Id, freeze: false);
    }

    /// <summary>Something waits and nothing can go: looks whom to freeze.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void SeekVictims()
    {
        // While all slots are held by what cannot be frozen, a search for each round would cost more than the tasks.
        if (_now < _fruitlessUntil && _scheduler.Queued <= _fruitlessQueued)
        {
            return;
        }

        // Signals stop what is found, one process after the other: enough for who asks for a pause, not to take slots away many times a second.
        if (Supervisor.Welcome is not { } welcome || (welcome.Features & SpawnerFeatures.Freezer) == SpawnerFeatures.None)
        {
            (_fruitlessUntil, _fruitlessQueued) = (_now + s_fruitlessTicks, _scheduler.Queued);
            return;
        }

        _preemption.DefaultMaxBytes = Memory.Capacity / 4;
        _search++;
        for (var i = 0; i < MostFreezesPerRound && FindBlocked(out var pool, out var waiting, out var level, out var anywhere); i++)
        {
            if (!TryFreezeFor(pool!, waiting!, level, anywhere))
            {
                pool!.FruitlessSearch = _search;
                _fruitlessUntil = _now + s_fruitlessTicks;
                _fruitlessQueued = _scheduler.Queued;
            }
        }
    }

    /// <summary>Of the pools in which something waits that may freeze others, and for which this search has not been in vain yet, the one with the highest.</summary>
    private bool FindBlocked(out WorkerPool? blocked, out TaskRecord? waiting, out byte level, out bool anywhere)
    {
        (blocked, waiting, level, anywhere) = (null, null, 0, false);
        foreach (var pool in _pools)
        {
            if (pool is { Closed: false } && pool.FruitlessSearch != _search && IsBlocked(pool, out var next, out var its, out var everywhere)
                && (waiting is null || its > level))
            {
                (blocked, waiting, level, anywhere) = (pool, next, its, everywhere);
            }
        }

        return blocked is not null;
    }

    /// <param name="waiting">The task that goes next there.</param>
    /// <param name="level">At which it counts.</param>
    /// <param name="anywhere">The node's slots are what is missing: whoever has one will do.</param>
    private bool IsBlocked(WorkerPool pool, out TaskRecord waiting, out byte level, out bool anywhere)
    {
        (level, anywhere) = (0, false);
        waiting = null!;
        if (!_scheduler.TryPeekNext(pool.SchedulerId, out var task, out var place) || IsHeld(pool))
        {
            return false;
        }

        // What ageing lifted counts as what it is, and a place that a moved task left as the lower of both: else whoever is frozen for it would
        // go on at once, in front of it.
        waiting = _table[task];
        level = (byte)Math.Min(waiting.Level, place);
        if (SchedulerOptions.ClassOf(level) < _preemption.Policy.By)
        {
            return false;
        }

        // Below zero a frozen task went on in the slot of one that waits for memory: to freeze it again frees none.
        var free = _scheduler.FreeSlots(pool.SchedulerId);
        if (_scheduler.FreeNodeSlots < 0 || free < 0 || (pool.IsCommand && waiting.State == TaskState.Queued && !_memory.HasRoom(BytesOf(waiting))))
        {
            return false;
        }

        if (free > 0)
        {
            anywhere = true;
            return _scheduler.IsNodeFull;
        }

        if (pool.IsCommand)
        {
            return true;
        }

        var wantedWorkers = _scheduler.QueuedFrom(pool.SchedulerId, level, MostWanted) - (pool.Starting * _options.Current.CallConcurrency);
        return wantedWorkers > 0 && !pool.StartsFailed && !IsPressed && RoomToStart(pool) <= 0;
    }

    /// <summary>Workers that the pool may ask for yet.</summary>
    private int RoomToStart(WorkerPool pool) => MostWorkers(pool) - pool.LiveWorkers;

    private int MostWorkers(WorkerPool pool) => Math.Min(pool.MaxWorkers, _scheduler.NodeSlots) + pool.FrozenWorkers;

    private bool TryFreezeFor(WorkerPool pool, TaskRecord waiting, byte level, bool anywhere)
    {
        _candidates.Clear();
        _candidateOwners.Clear();
        foreach (var command in _commands.Values)
        {
            AddCandidate(command, anywhere ? command.Pool : pool);
        }

        foreach (var one in _pools)
        {
            if (one is { Closed: false, IsCommand: false } && (anywhere || one == pool))
            {
                AddCandidates(one);
            }
        }

        var verdict = _preemption.Choose(level, CollectionsMarshal.AsSpan(_candidates), out var index);
        if (verdict != PreemptionVerdict.Chosen)
        {
            return false;
        }

        var reason = WhyThis(_candidates[index], waiting);
        if (_candidateOwners[index] is RunningCommand victim)
        {
            Lend(victim, _candidates[index], waiting.Id, level, reason);
        }
        else
        {
            Lend((CallWorker)_candidateOwners[index], _candidates[index], waiting.Id, level, reason);
            if (!anywhere)
            {
                Ask(pool, 1);
            }
        }

        if (anywhere || pool.IsCommand)
        {
            DispatchBesideFrozen();
        }

        return true;
    }

    private void AddCandidate(RunningCommand command, WorkerPool wanted)
    {
        var record = _table[command.Slot];
        if (command.Key != 0 || command.Pool != wanted || record.Id != command.Id || record.State != TaskState.Running || record.CancelRequested)
        {
            return;
        }

        var bytes = Math.Max((long)Math.Min(record.PeakMemoryBytes, long.MaxValue), record.Reservation.Bytes);
        var ran = Math.Max(0, _now - record.Running - command.FrozenTicks);
        _candidates.Add(new PreemptionCandidate(0, command.Level, ran, bytes, command.FrozenTicks, GuardOf(command.Level, command.TakenLevel), command.TakenLevel));
        _candidateOwners.Add(command);
    }

    /// <summary>Workers all of whose places are taken; of several calls the highest counts.</summary>
    private void AddCandidates(WorkerPool pool)
    {
        foreach (var worker in pool.Workers)
        {
            if (!MayYield(worker) || worker.IsFrozen || worker.FreeCount != 0 || worker.HasReleased || worker.ProcessId == 0)
            {
                continue;
            }

            var (level, lifted, since, guard, usable) = ((byte)0, (byte)0, _now, 0L, true);
            foreach (ref readonly var entry in worker.Entries.AsSpan())
            {
                usable &= Volatile.Read(in entry.Ticket) != 0 && !_table[entry.Record].CancelRequested;
                level = Math.Max(level, entry.Level);
                lifted = Math.Max(lifted, entry.TakenLevel);
                since = Math.Min(since, entry.Since);
                guard = Math.Max(guard, GuardOf(entry.Level, entry.TakenLevel));
            }

            if (usable)
            {
                _candidates.Add(new PreemptionCandidate(0, level, _now - since, worker.MemoryBytes, worker.FrozenTicksOfCall, guard, lifted));
                _candidateOwners.Add(worker);
            }
        }
    }

    /// <summary>One that continues a call is leaving from its first instant, and holds its slot like any.</summary>
    private static bool MayYield(CallWorker worker) =>
        worker.Phase == WorkerPhase.Serving || worker is { Phase: WorkerPhase.Leaving, Continuation.HasBegun: true, Capture: null };

    /// <param name="level">Its own.</param>
    /// <param name="taken">The level that the scheduler took it from.</param>
    private long GuardOf(byte level, byte taken) => taken > level ? _scheduler.AgeingBoundOf(level) * (Stopwatch.Frequency / 1000) : 0;

    private static PreemptionReason WhyThis(in PreemptionCandidate victim, TaskRecord waiting) =>
        new(SchedulerOptions.ClassOf(victim.Level), SchedulerOptions.ClassOf(waiting.Level), Stopwatch.GetElapsedTime(0, victim.RunTicks), victim.Bytes);
}
