namespace Wayang.Fast.Core.Sizing;

/// <summary>
/// How many workers a pool should have, from what it does: a pure state machine, looked at about once a second. It has no clock of its
/// own: the samples say how much time went by. Calls that wait now are answered at once by <see cref="OnDemand"/>, between the looks.
/// <code>
/// load     a = max(arrivals a second x time in service, mean number in service)     Little: L = lambda W
/// stands   n = ceil((a + headroom) / concurrency), headroom = sqrt(a) once calls waited    square-root staffing
/// spares   never fewer than were used at once, or a makes up for, and the spares
/// queue    what waits longer than a start takes gets workers, so that it is gone within the time of a start
/// ahead    what trend and hour expect for the time of a start from now
/// </code>
/// Up at once, down late: workers leave when none of the needs of the last hold time wants them, a quarter of them a look at most. Under
/// pressure nothing is started but the one worker without which nothing would run, and workers leave four times as early.
/// Not thread-safe: the dispatch owner's.
/// </summary>
public sealed class PoolSizing(HourRhythm rhythm)
{
    private const int Windows = 8;
    private const double TimeConstant = 10; // seconds in which two thirds of a change of the load are known, or
    private const double PartOfHold = 6; // of the hold time, if that is less: what was must be forgotten by its end
    private const double Tolerance = 0.05; // of a worker: rounding up must not add one for what smoothing leaves over
    private const double LeastLead = 2; // seconds: two looks, so that one that comes late does no harm
    private const double MostLead = 30;
    private const int PressedHaste = 4;

    private readonly int[] _needs = new int[Windows]; // the highest need of each part of the hold time
    private readonly ArrivalTrend _trend = new();
    private int _part;
    private double _inPart;
    private double _sinceWait = double.PositiveInfinity;
    private double _arrivals; // a second
    private double _ended; // a second
    private double _endedSeconds; // of those
    private double _busy; // calls in service, mean
    private bool _seen;

    public HourRhythm Rhythm { get; } = rhythm;

    /// <summary>Mean time of a call in service, in seconds; 0: not known yet.</summary>
    public double ServiceSeconds => _ended > 0 ? _endedSeconds / _ended : 0;

    /// <summary>Calls in service that the arrivals make up for, smoothed.</summary>
    public double Load => Math.Max(_arrivals * ServiceSeconds, _busy);

    /// <summary>Workers to ask for at once, because calls wait and no worker is free, or spares are missing. In doublings: a queue of
    /// microsecond calls is gone before a fork is done.</summary>
    /// <param name="bounds">Of the pool.</param>
    /// <param name="waiting">Calls that wait.</param>
    /// <param name="free">Workers that could take a call.</param>
    /// <param name="workers">That are there.</param>
    /// <param name="starting">That were asked for.</param>
    /// <param name="oneEach">Each worker serves one call.</param>
    /// <param name="pressed">Memory is short: only what keeps the pool going is started.</param>
    public static int OnDemand(in PoolBounds bounds, int waiting, int free, int workers, int starting, bool oneEach, bool pressed)
    {
        var live = workers + starting;
        if (pressed)
        {
            return live == 0 && waiting > 0 ? Math.Min(1, bounds.Most) : 0;
        }

        var spares = Math.Max(0, bounds.Spares - free);
        var wanted = oneEach ? waiting + spares : Math.Min(Math.Max(waiting, spares), Math.Max(Math.Max(1, spares), workers));
        return Math.Max(0, Math.Min(wanted - starting, bounds.Most - live));
    }

    /// <summary>Takes what a pool did since the last look, and says what is to be done.</summary>
    public PoolPlan Look(in PoolSample sample, in PoolBounds bounds)
    {
        Learn(sample, Math.Min(TimeConstant, bounds.HoldSeconds / PartOfHold));
        var demand = Math.Max(Workers(Load, bounds), sample.Used + Backlog(sample, bounds));
        var need = Math.Min(Need(sample, bounds, demand), bounds.Most);
        Remember(need, sample.Seconds, bounds.HoldSeconds);
        var held = need;
        foreach (var earlier in _needs)
        {
            held = Math.Max(held, Math.Min(earlier, bounds.Most));
        }

        Rhythm.Observe(sample.UnixSeconds, Math.Min(demand, bounds.Most));
        var expected = bounds.WarmUp && !sample.Pressed ? Math.Min(Expected(sample, bounds), bounds.Most) : 0;
        var wanted = sample.Pressed ? need : Math.Max(held, expected);
        var live = sample.Workers + sample.Starting;
        var start = sample.Pressed
            ? OnDemand(bounds, sample.Waiting, 0, sample.Workers, sample.Starting, oneEach: false, pressed: true)
            : Math.Max(0, Math.Max(need, expected) - live);
        var leave = Math.Clamp(sample.Workers - wanted, 0, Math.Max(1, sample.Workers / (sample.Pressed ? 2 : 4)));
        return new PoolPlan(
            wanted,
            start,
            Math.Clamp(expected - Math.Max(need, live), 0, start),
            sample.Starting > 0 && !sample.Pressed ? 0 : leave,
            sample.Pressed ? bounds.HoldSeconds / PressedHaste : bounds.HoldSeconds);
    }

    private void Learn(in PoolSample sample, double timeConstant)
    {
        var weight = _seen ? 1 - Math.Exp(-sample.Seconds / timeConstant) : 1;
        _seen = true;
        var rate = sample.Arrivals / sample.Seconds;
        _arrivals += weight * (rate - _arrivals);
        _ended += weight * ((sample.Ended / sample.Seconds) - _ended);
        _endedSeconds += weight * ((sample.EndedSeconds / sample.Seconds) - _endedSeconds);
        _busy += weight * ((sample.BusySeconds / sample.Seconds) - _busy);
        _trend.Observe(rate, sample.Seconds);
        _sinceWait = sample.Waited ? 0 : _sinceWait + sample.Seconds;
    }

    private int Need(in PoolSample sample, in PoolBounds bounds, int demand)
    {
        var load = Load;
        var bare = Workers(load, bounds);
        if (sample.Pressed)
        {
            return Math.Max(bare, sample.Waiting > 0 ? 1 : 0);
        }

        var careful = CallsWaited(bounds) ? Math.Min(Workers(load + Math.Sqrt(load), bounds), bounds.Processors) : bare;
        return Math.Max(careful, demand + bounds.Spares); // a spare that left would be asked for again by the next call
    }

    /// <summary>A caller who waits for each answer keeps one worker busy and never waits for one: caution and trend would give it a second
    /// one, which would be of no use.</summary>
    private bool CallsWaited(in PoolBounds bounds) => _sinceWait <= bounds.HoldSeconds;

    /// <summary>Workers beyond the used ones that let what waits begin within the time of a start, if it would wait longer than that.</summary>
    private int Backlog(in PoolSample sample, in PoolBounds bounds)
    {
        if (sample.Waiting == 0 || sample.StartSeconds <= 0)
        {
            return 0;
        }

        var seats = Math.Max(1, sample.Used) * bounds.Concurrency;
        var inStarts = sample.Waiting * ServiceSeconds / sample.StartSeconds; // seats that empty the queue in the time of a start
        return inStarts <= seats ? 0 : Math.Min(Workers(inStarts, bounds) - Math.Max(1, sample.Used), Workers(sample.Waiting, bounds));
    }

    private int Expected(in PoolSample sample, in PoolBounds bounds)
    {
        var lead = Math.Clamp(2 * sample.StartSeconds, LeastLead, MostLead);
        var byTrend = CallsWaited(bounds) ? Workers(_trend.Expect(lead) * ServiceSeconds, bounds) : 0;
        return Math.Max(byTrend, Math.Max(Rhythm.Expect(sample.UnixSeconds), Rhythm.Expect(sample.UnixSeconds + (long)Math.Ceiling(lead))));
    }

    private void Remember(int need, double seconds, double hold)
    {
        _inPart += seconds;
        var length = hold / Windows;
        for (var i = 0; _inPart >= length && i < Windows; i++)
        {
            _inPart -= length;
            _part = (_part + 1) % Windows;
            _needs[_part] = 0;
        }

        _inPart = Math.Min(_inPart, length);
        _needs[_part] = Math.Max(_needs[_part], need);
    }

    private static int Workers(double calls, in PoolBounds bounds) =>
        (int)Math.Min(bounds.Most, Math.Max(0, Math.Ceiling((calls / bounds.Concurrency) - Tolerance)));
}
