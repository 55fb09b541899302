using System.Diagnostics;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Preemption;
using Wayang.Fast.Execution.Preemption;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Dispatch;

/// <content>
/// The books of a slot that is lent. A freeze gives back what the task had (the node's slot; of a command its pool's too; a call's pool may start a worker in
/// the place of the one that stands still). It is taken again at once when the task goes on, or ends: an end that comes meanwhile gives it
/// back the usual way then, so each is given back once.
/// </content>
internal sealed partial class Shard
{
    private void Lend(RunningCommand command, in PreemptionCandidate facts, TaskId to, byte level, PreemptionReason reason)
    {
        command.Key = Enter(command, facts, level);
        _scheduler.AddSlots(command.Pool.SchedulerId, 1);
        _scheduler.Finish(command.Pool.SchedulerId, command.TakenLevel, Math.Max(0, _now - command.Since));
        Supervisor.FreezeCommand(command.Id, freeze: true);
        NoteFreeze(command.Id, to, reason);
    }

    private void Lend(CallWorker worker, in PreemptionCandidate facts, TaskId to, byte level, PreemptionReason reason)
    {
        var calls = worker.FrozenCalls;
        for (var i = 0; i < calls.Length; i++)
        {
            ref var entry = ref worker.Entries[i];
            var ticket = Volatile.Read(ref entry.Ticket);
            var record = _table[entry.Record];
            var id = record.Id;
            if (ticket == 0 || Volatile.Read(ref entry.Ticket) != ticket)
            {
                id = default; // it ended just now: the completion thread is about to give its index back
            }

            // SYNC POINT: the completion thread shortens the deadline of a call that is asked to end; what it wrote stays (Reclaim).
            var deadline = id == default ? long.MaxValue : Interlocked.Exchange(ref entry.Deadline, long.MaxValue);
            calls[i] = new FrozenCall(i, ticket, id, entry.Record, entry.TakenLevel, deadline == long.MaxValue ? long.MaxValue : Math.Max(0, deadline - _now));
            _scheduler.Finish(worker.Pool.SchedulerId, entry.TakenLevel, Math.Max(0, _now - entry.Since));
            if (id != default)
            {
                _lifecycle.TryFreeze(record, id);
                NoteFreeze(id, to, reason);
            }
        }

        worker.Freeze(Enter(worker, facts, level));
        worker.Pool.FrozenWorkers++;
        Supervisor.FreezeWorker(worker.Id, freeze: true);
    }

    /// <param name="level">Of the task that it is frozen for.</param>
    private long Enter(object owner, in PreemptionCandidate facts, byte level)
    {
        var key = ++_lastKey;
        _frozenByKey.Add(key, owner);
        _preemption.Freeze(new FrozenTask(key, facts.GoesOnAt(level), facts.Bytes, _now, facts.FrozenTicks));
        Volatile.Write(ref _frozen, _preemption.Count);
        return key;
    }

    private long Leave(long key, bool ended)
    {
        _frozenByKey.Remove(key);
        var ticks = _preemption.Remove(key, _now, ended);
        Volatile.Write(ref _frozen, _preemption.Count);
        _fruitlessUntil = 0;
        return ticks;
    }

    private void Reclaim(RunningCommand command, bool ended)
    {
        command.FrozenTicks = Leave(command.Key, ended);
        command.Key = 0;
        command.Since = _now;
        _scheduler.AddSlots(command.Pool.SchedulerId, -1);
        _scheduler.Retake(command.Pool.SchedulerId, command.TakenLevel);
        NoteThaw(command.Id, command.FrozenTicks);
    }

    private void Reclaim(CallWorker worker, bool ended)
    {
        var (key, calls) = worker.Thaw();
        worker.FrozenTicksOfCall = Leave(key, ended);
        worker.Pool.FrozenWorkers--;
        foreach (var call in calls)
        {
            ref var entry = ref worker.Entries[call.Index];
            entry.Since = _now; // up to the freeze it was charged then
            _scheduler.Retake(worker.Pool.SchedulerId, call.TakenLevel);
            if (call.Id == default)
            {
                continue;
            }

            if (call.TimeLeft != long.MaxValue && Interlocked.CompareExchange(ref entry.Deadline, _now + call.TimeLeft, long.MaxValue) == long.MaxValue)
            {
                Supervisor.WatchDeadline(_now + call.TimeLeft);
            }

            _lifecycle.TryThaw(_table[call.Slot], call.Id);
            NoteThaw(call.Id, worker.FrozenTicksOfCall);
        }
    }

    /// <summary>A call of a worker that stands still ended, or is to: the worker goes on.</summary>
    private void ThawForEnd(CallWorker worker)
    {
        Reclaim(worker, ended: false);
        Supervisor.FreezeWorker(worker.Id, freeze: false);
    }

    private void EndCommand(in ShardEvent item)
    {
        var ticks = item.Ticks;
        if (_commands.Remove((item.Id, item.Since), out var command))
        {
            if (command.Key != 0)
            {
                _now = Math.Max(_now, command.Since);
                Reclaim(command, ended: true);
            }

            ticks = ticks < 0 || command.FrozenTicks == 0 ? ticks : Math.Max(0, Stopwatch.GetTimestamp() - command.Since);
        }

        _scheduler.AddSlots(item.Pool!.SchedulerId, 1);
        Finish(item.Pool, item.Level, ticks);
    }

    private void NoteFreeze(TaskId id, TaskId by, PreemptionReason reason)
    {
        var before = _table.Find(id)?.Life?.Preemption;
        _lifecycle.Note(id, new TaskPreemption((before?.Times ?? 0) + 1, before?.FrozenMicroseconds ?? 0, by, reason, DateTimeOffset.UtcNow));
    }

    private void NoteThaw(TaskId id, long frozenTicks)
    {
        if (_table.Find(id)?.Life?.Preemption is { } note)
        {
            _lifecycle.Note(id, note with { FrozenMicroseconds = (long)(frozenTicks * (1e6 / Stopwatch.Frequency)), Since = null });
        }
    }
}
