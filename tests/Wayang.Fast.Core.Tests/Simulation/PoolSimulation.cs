using System.Runtime.InteropServices;
using Wayang.Fast.Core.Sizing;

namespace Wayang.Fast.Core.Tests.Simulation;

/// <summary>A call of the simulation.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct SimulatedCall(double At, double Service);

/// <summary>
/// One pool under given arrivals, second by second as the dispatch owner would have it: calls that find no free worker wait and are answered by
/// <see cref="PoolSizing.OnDemand"/>, and once a second <see cref="PoolSizing.Look"/> is done as it says. Nothing in it is left to chance.
/// </summary>
internal sealed class PoolSimulation(PoolBounds bounds, double startSeconds, HourRhythm? rhythm = null)
{
    private enum What : byte
    {
        Ready, // before arrivals of the same instant
        Free,
        Call,
        Look,
    }

    private readonly PriorityQueue<(What What, int Subject), (double At, What What, int Order)> _events = new();
    private readonly PoolSizing _sizing = new(rhythm ?? new HourRhythm());
    private readonly List<Worker> _workers = [];
    private readonly Stack<Worker> _free = new(); // the last is taken first
    private readonly Queue<int> _waiting = new();
    private readonly List<SimulatedCall> _calls = [];
    private int _order;
    private int _starting;
    private double _now;
    private double _looked;
    private long _arrived;
    private long _ended;
    private double _endedSeconds;
    private double _busySeconds;
    private double _counted;
    private int _busy;
    private bool _waited;

    /// <summary>Calls that found no free worker.</summary>
    public long Waits { get; private set; }

    public long Calls => _calls.Count;

    public double WaitShare => Calls == 0 ? 0 : (double)Waits / Calls;

    /// <summary>Seconds of idle workers, added up.</summary>
    public double IdleSeconds { get; private set; }

    public int Started { get; private set; }

    public int StartedAhead { get; private set; }

    public int MostWorkers { get; private set; }

    public bool Pressed { get; set; }

    public int Workers => _workers.Count;

    /// <summary>Called after each look, with the second and what was planned.</summary>
    public Action<double, PoolPlan>? OnLook { get; set; }

    public PoolSimulation Run(IEnumerable<SimulatedCall> calls, double seconds)
    {
        foreach (var call in calls)
        {
            _calls.Add(call);
            Add(What.Call, _calls.Count - 1, call.At);
        }

        for (var second = 1; second <= seconds; second++)
        {
            Add(What.Look, 0, second);
        }

        while (_events.TryDequeue(out var item, out var when))
        {
            Advance(when.At);
            switch (item.What)
            {
                case What.Ready:
                    Ready();
                    break;
                case What.Free:
                    Free(_workers.Find(w => w.Id == item.Subject)!);
                    break;
                case What.Call:
                    Come(item.Subject);
                    break;
                default:
                    Look();
                    break;
            }
        }

        return this;
    }

    private void Add(What what, int subject, double at) => _events.Enqueue((what, subject), (at, what, _order++));

    private void Advance(double to)
    {
        _busySeconds += _busy * (to - _counted);
        IdleSeconds += (_workers.Count - _busy) * (to - _counted);
        _counted = _now = to;
    }

    private void Come(int call)
    {
        _arrived++;
        if (_free.TryPop(out var worker))
        {
            Serve(worker, call);
        }
        else
        {
            Waits++;
            _waited |= _workers.Count > 0;
            _waiting.Enqueue(call);
        }

        Grow();
    }

    private void Serve(Worker worker, int call)
    {
        _busy++;
        worker.Used = true;
        worker.Service = _calls[call].Service;
        Add(What.Free, worker.Id, _now + _calls[call].Service);
    }

    private void Free(Worker worker)
    {
        _busy--;
        _ended++;
        _endedSeconds += worker.Service;
        Take(worker);
    }

    private void Ready()
    {
        _starting--;
        var worker = new Worker(Started++);
        _workers.Add(worker);
        MostWorkers = Math.Max(MostWorkers, _workers.Count);
        Take(worker);
        Grow();
    }

    private void Take(Worker worker)
    {
        if (_waiting.TryDequeue(out var call))
        {
            Serve(worker, call);
            return;
        }

        worker.IdleSince = _now;
        _free.Push(worker);
    }

    private void Grow() => Start(PoolSizing.OnDemand(bounds, _waiting.Count, _free.Count, _workers.Count, _starting, oneEach: false, Pressed));

    private void Start(int count)
    {
        for (; count > 0; count--)
        {
            _starting++;
            Add(What.Ready, 0, _now + startSeconds);
        }
    }

    private void Look()
    {
        var sample = new PoolSample
        {
            Seconds = _now - _looked,
            Arrivals = _arrived,
            Ended = _ended,
            EndedSeconds = _endedSeconds,
            BusySeconds = _busySeconds,
            Waited = _waited,
            Waiting = _waiting.Count,
            Workers = _workers.Count,
            Starting = _starting,
            Used = _workers.Count(static w => w.Used),
            StartSeconds = startSeconds,
            Pressed = Pressed,
            UnixSeconds = (long)_now,
        };
        var plan = _sizing.Look(sample, bounds);
        (_looked, _arrived, _ended, _endedSeconds, _busySeconds, _waited) = (_now, 0, 0, 0, 0, false);
        StartedAhead += plan.Ahead;
        Start(plan.Start);
        Leave(plan);
        foreach (var worker in _workers)
        {
            worker.Used = !worker.IsFree(_free);
        }

        OnLook?.Invoke(_now, plan);
    }

    private void Leave(in PoolPlan plan)
    {
        var idleBefore = _now - plan.IdleSeconds;
        var leaving = _free.Where(w => w.IdleSince <= idleBefore).OrderBy(static w => w.IdleSince).Take(plan.Leave).ToHashSet();
        if (leaving.Count > 0)
        {
            var staying = _free.Reverse().Where(w => !leaving.Contains(w)).ToArray();
            _free.Clear();
            foreach (var worker in staying)
            {
                _free.Push(worker);
            }

            _workers.RemoveAll(leaving.Contains);
        }
    }

    private sealed class Worker(int id)
    {
        public int Id { get; } = id;

        public double IdleSince { get; set; }

        public bool Used { get; set; }

        /// <summary>Of its call.</summary>
        public double Service { get; set; }

        public bool IsFree(Stack<Worker> free) => free.Contains(this);
    }
}
