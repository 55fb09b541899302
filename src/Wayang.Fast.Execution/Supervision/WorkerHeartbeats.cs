using System.Diagnostics;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Execution.Completions;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Supervision;

/// <summary>
/// Ends call workers that have calls and can do nothing about them. Signs of life are taken, not asked for: calls that end or begin,
/// and processor time. A worker that shows none for the heartbeat's time is given up in two cases only, in which nothing
/// but a stranger's help would move it:
/// <list type="bullet">
/// <item>its process is stopped (state T in /proc: somebody sent SIGSTOP);</item>
/// <item>it sleeps in its loop, by its own word, beside a request in its ring. It is rung once more first: a lost wake is healed.</item>
/// </list>
/// A worker that the runtime froze itself is left alone. A call that waits (for a lock, a device, the clock) shows none either, and is left alone: its timeout is the judge of that.
/// Times are the supervisor's monotonic clock. Supervisor only, at each tick.
/// </summary>
internal sealed class WorkerHeartbeats(
    WorkerTable workers, CompletionThread completion, LiveOptions options, IncidentLog incidents, ISupervisorLog log)
{
    private const int MaxLooksPerTick = 256;
    private const char Stopped = 'T';

    private long _timeout;
    private int _next;

    /// <summary>Workers that were rung once more, and those that were given up.</summary>
    public long RungAgain { get; private set; }

    public void Judge(long now)
    {
        _timeout = (long)(options.Current.HeartbeatTimeoutMs * (Stopwatch.Frequency / 1000.0));
        if (_timeout == 0)
        {
            return;
        }

        // With very many workers in long calls, the rest comes at the next ticks.
        var place = 0;
        var looks = 0;
        foreach (var worker in workers.All())
        {
            if (place++ >= _next && TakePulse(worker, now) && ++looks == MaxLooksPerTick)
            {
                _next = place;
                return;
            }
        }

        _next = 0;
    }

    /// <summary>True when the process was looked at.</summary>
    private bool TakePulse(CallWorker worker, long now)
    {
        var pulse = worker.Pulse;
        var calls = Calls(worker);
        if (calls == 0 || worker.IsFrozen || worker.Capture is not null || !worker.SaidReady || worker.ProcessId == 0 || pulse.GivenUp)
        {
            pulse.QuietSince = 0;
            return false;
        }

        if (pulse.QuietSince == 0)
        {
            // Its first tick with calls: most are over by the next.
            (pulse.QuietSince, pulse.Signature, pulse.RungAgain) = (now, calls, false);
            return false;
        }

        if (ProcessState.Read(worker.ProcessId) is not { } process)
        {
            return true;
        }

        var signature = HashCode.Combine(calls, process.CpuTicks);
        if (signature != pulse.Signature)
        {
            (pulse.QuietSince, pulse.Signature, pulse.RungAgain) = (now, signature, false);
            return true;
        }

        Look(worker, process.State, now);
        return true;
    }

    private void Look(CallWorker worker, char state, long now)
    {
        var pulse = worker.Pulse;
        var quiet = Stopwatch.GetElapsedTime(pulse.QuietSince, now);

        // What it has answered and we have not read, or what we have not yet written to it, is no fault of its.
        var waits = worker.Writer.PeerSleeps && !worker.UploadsPending && !worker.Reader.HasCompletion;
        if (state != Stopped && waits && !pulse.RungAgain)
        {
            pulse.RungAgain = true;
            RungAgain++;
            worker.Writer.RingAgain();
            return;
        }

        if (now - pulse.QuietSince < _timeout || (state != Stopped && !waits))
        {
            return;
        }

        pulse.GivenUp = true;
        var why = state == Stopped ? "its process is stopped (state T: somebody sent SIGSTOP)" : "it sleeps beside its request and does not wake";
        var reason = FormattableString.Invariant($"its worker gave no sign of life for {quiet.TotalSeconds:F1} s: {why}");
        log.Warn($"worker process {worker.ProcessId} is ended: {reason}");
        incidents.Add(IncidentKind.WorkerUnresponsive, worker.Pool.Name, reason, quiet);
        completion.Post(new CompletionCommand(CompletionCommandKind.Unresponsive, worker, Reason: reason));
    }

    /// <summary>The tickets in flight, folded into one number; 0 when there are none.</summary>
    private static long Calls(CallWorker worker)
    {
        long calls = 0;
        for (var i = 0; i < worker.Entries.Length; i++)
        {
            calls = (calls * 31) + Volatile.Read(ref worker.Entries[i].Ticket);
        }

        return calls;
    }
}
