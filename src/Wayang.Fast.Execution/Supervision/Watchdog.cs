using System.Diagnostics;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Execution.Completions;
using Wayang.Fast.Execution.Dispatch;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Supervision;

/// <summary>
/// Watches what nobody else can: that work which could run is dispatched, and that the completion thread and the supervisor
/// turn. A thread of its own, which looks a few times in the stall's time and otherwise sleeps. It heals what can be healed from outside
/// (nobody owns the shard; an owner handed over and was not followed; a pool was forgotten) and tells the rest: a thread that
/// is stuck inside cannot be replaced, because it may go on at any time.
/// </summary>
internal sealed class Watchdog : IDisposable
{
    private const int LooksPerStall = 5;
    private static readonly TimeSpan LongestPeriod = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ShortestPeriod = TimeSpan.FromMilliseconds(20);

    private readonly Shard _shard;
    private readonly CompletionThread _completion;
    private readonly Supervisor _supervisor;
    private readonly Func<IReadOnlyList<WorkerPool>> _pools;
    private readonly IncidentLog _incidents;
    private readonly ISupervisorLog _log;
    private readonly TimeSpan _stall;
    private readonly TimeSpan _period;
    private readonly ManualResetEventSlim _stop = new();
    private readonly Thread _thread;
    private Standstill _dispatch;
    private readonly WatchedThread _completionWatch;
    private readonly WatchedThread _supervisorWatch;

    /// <param name="pools">All pools of the node; called on the watchdog's thread.</param>
    public Watchdog(
        Shard shard, CompletionThread completion, Supervisor supervisor, Func<IReadOnlyList<WorkerPool>> pools, RuntimeOptions options,
        IncidentLog incidents, ISupervisorLog log)
    {
        _shard = shard;
        _completion = completion;
        _supervisor = supervisor;
        _pools = pools;
        _incidents = incidents;
        _log = log;
        _stall = TimeSpan.FromMilliseconds(options.StallMs);
        var wanted = _stall / LooksPerStall;
        _period = wanted > LongestPeriod ? LongestPeriod : wanted < ShortestPeriod ? ShortestPeriod : wanted;
        _dispatch = new Standstill(_period * 4);
        _completionWatch = new WatchedThread("completion", _period * 4);
        _supervisorWatch = new WatchedThread("supervisor", _period * 4);
        _thread = new Thread(Run) { Name = "wayang-watchdog", IsBackground = true, Priority = ThreadPriority.AboveNormal };
    }

    public void Start()
    {
        if (_stall > TimeSpan.Zero)
        {
            _thread.Start();
        }
    }

    public void Stop()
    {
        _stop.Set();
        if (_thread.IsAlive)
        {
            _thread.Join();
        }
    }

    public void Dispose()
    {
        Stop();
        _stop.Dispose();
    }

    private void Run()
    {
        while (!_stop.Wait(_period))
        {
            var now = Stopwatch.GetTimestamp();
            LookAtDispatch(now);
            LookAt(_completionWatch, now, _completion.Beats, _completion.Nudge);
            LookAt(_supervisorWatch, now, _supervisor.Beats, _supervisor.Nudge);
        }
    }

    private void LookAtDispatch(long now)
    {
        var seen = _shard.FindStalled(_pools(), out var pool);
        var still = _dispatch.Look(now, _shard.Dispatched, seen is not null);
        if (still < _stall)
        {
            return;
        }

        _dispatch = new Standstill(_period * 4);
        var what = FormattableString.Invariant($"nothing was dispatched for {still.TotalSeconds:F1} s although {seen}");
        var name = pool?.Name ?? string.Empty;
        if (_shard.Heal() is { } done)
        {
            _log.Warn($"watchdog: {what}; {done}{(name.Length == 0 ? "" : $" (pool {name})")}");
            _incidents.Add(IncidentKind.Heal, name, $"{what}; {done}", still);
            return;
        }

        _log.Warn($"watchdog: {what}; a thread is inside the shard and does not come out of it");
        _incidents.Add(IncidentKind.ThreadStalled, name, $"{what}; the owner of the shard is inside and does not come out", still);
    }

    /// <summary>A thread that has nothing to do sleeps: it is asked for a turn, and only one that does not take it stands still.</summary>
    private void LookAt(WatchedThread watched, long now, long beats, Action nudge)
    {
        var still = watched.Look(now, beats);
        if (still == TimeSpan.Zero)
        {
            if (watched.Told)
            {
                watched.Told = false;
                _log.Info($"watchdog: the {watched.Name} thread goes on");
            }

            return;
        }

        nudge();
        if (still >= _stall && !watched.Told)
        {
            watched.Told = true;
            var reason = FormattableString.Invariant($"the {watched.Name} thread has not turned for {still.TotalSeconds:F1} s although it was asked to");
            _log.Warn($"watchdog: {reason}");
            _incidents.Add(IncidentKind.ThreadStalled, string.Empty, reason, still);
        }
    }

    private sealed class WatchedThread(string name, TimeSpan lateLook)
    {
        private readonly Standstill _beats = new(lateLook);

        public string Name { get; } = name;

        public bool Told { get; set; }

        public TimeSpan Look(long now, long beats) => _beats.Look(now, beats, due: true);
    }
}
