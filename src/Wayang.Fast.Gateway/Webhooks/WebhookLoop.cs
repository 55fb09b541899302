using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.Webhooks;

/// <summary>
/// One webhook at work: reads the stream from its cursor on, has messages and cursor stored together, and sends what is stored and due. Each has its own loop,
/// connections and bounds, so a receiver that is slow or gone costs the others nothing. Only one turn runs at a time; sends run beside it.
/// </summary>
internal sealed class WebhookLoop : IAsyncDisposable
{
    /// <summary>Events that are looked at in one turn.</summary>
    private const int PageEvents = 512;

    /// <summary>A cursor that moves without messages is stored after so many events: what is read again after a kill.</summary>
    private const int UnstoredEvents = 10_000;

    private static readonly TimeSpan s_again = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_longestRest = TimeSpan.FromHours(1);
    private static readonly TimeSpan s_sweepEach = TimeSpan.FromMinutes(10);

    private readonly WebhookContext _context;
    private readonly WebhookSender _sender;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<long, Task> _underWay = new();
    private volatile StoredWebhook _hook;
    private TaskCompletionSource _woken = NewSignal();
    private Task _run = Task.CompletedTask;
    private long _read;
    private long _stored;
    private long _waiting;
    private long _dead;
    private long _bytes;
    private readonly Lock _clockGate = new();
    private readonly ClockWatch _clock;
    private readonly RetentionClock _retention;
    private long _shifts;
    private long _nextSweep;
    private bool _counted;
    private bool _recovered;

    public WebhookLoop(WebhookContext context, StoredWebhook hook)
    {
        (_context, _hook) = (context, hook);
        _sender = new WebhookSender(context.Options, context.Resolve, context.Time);
        _read = _stored = hook.Cursor;
        _nextSweep = context.Time.GetTimestamp();
        _shifts = hook.Shifts;
        _clock = new ClockWatch(context.Time);
        _retention = new RetentionClock(context.Time);
    }

    /// <summary>Set by who changes it, after the change is stored.</summary>
    public StoredWebhook Hook
    {
        get => _hook;
        set
        {
            _hook = value;
            Wake();
        }
    }

    public WebhookBacklog Backlog => new(Interlocked.Read(ref _waiting), Interlocked.Read(ref _dead), Interlocked.Read(ref _bytes));

    /// <summary>All up to it was looked at.</summary>
    public long Cursor => Interlocked.Read(ref _read);

    /// <summary>What keeps it from going on; null: nothing.</summary>
    public string? Problem { get; private set; }

    public void Start() => _run = Task.Run(RunAsync);

    /// <summary>Counts and messages were changed beside it: it looks anew.</summary>
    public void Recount()
    {
        Volatile.Write(ref _counted, false);
        Wake();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _run;
        await Task.WhenAll(_underWay.Values);
        _sender.Dispose();
        _stop.Dispose();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void Wake() => Interlocked.Exchange(ref _woken, NewSignal()).TrySetResult();

    [SuppressMessage("Design", "CA1031", Justification = "A defect here is told, and tried again; it must not leave one webhook silent for ever.")]
    private async Task RunAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            // SYNC POINT: taken before the look; who changes something changes it before it wakes.
            var woken = Volatile.Read(ref _woken).Task;
            try
            {
                var rest = await TurnAsync();
                await RestAsync(woken, rest, isBroken: false);
                continue;
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (LedgerUnreadableException failure)
            {
                Problem = $"the ledger cannot be read: {failure.Message}";
            }
            catch (Exception defect)
            {
                _context.OnDefect(defect);
                Problem = $"a defect of the node, told in its log: {defect.Message}";
            }

            await RestAsync(woken, s_again, isBroken: true);
        }
    }

    /// <returns>How long there is nothing to do, unless something happens.</returns>
    private async Task<TimeSpan> TurnAsync()
    {
        await FollowClockAsync();
        var rest = await SweepAsync();
        if (!Volatile.Read(ref _counted))
        {
            await Task.WhenAll(_underWay.Values); // or what they change would be counted twice
            Volatile.Write(ref _counted, true);
            var backlog = _context.Store.ReadBacklog(_hook.Id);
            Interlocked.Exchange(ref _waiting, backlog.Waiting);
            Interlocked.Exchange(ref _dead, backlog.Dead);
            Interlocked.Exchange(ref _bytes, backlog.Bytes);
        }

        if (!_hook.IsEnabled)
        {
            Problem = null;
            return rest;
        }

        var more = await AdvanceAsync();
        var due = SendDue();
        return more ? TimeSpan.Zero : due < rest ? due : rest;
    }

    /// <summary>
    /// Times of messages are those of <see cref="_clock"/>: when the wall clock was set they move with it. What was due while the node was away, by a clock that was put back since, is due now.
    /// </summary>
    private async Task FollowClockAsync()
    {
        if (!_recovered)
        {
            var recovery = new WebhookRecovery(_hook.Id, Now());
            _context.Store.Post(recovery);
            await recovery.Done.WaitAsync(_stop.Token);
            _recovered = true;
        }

        WebhookShift? shift = null;
        lock (_clockGate)
        {
            var jump = _clock.Look();
            if (jump != TimeSpan.Zero)
            {
                // In the order of the store: what was posted before is by the clock as it was, what is posted later by the one that is.
                shift = new WebhookShift(_hook.Id, jump, ++_shifts);
                _context.Store.Post(shift);
            }
        }

        if (shift is not null)
        {
            await shift.Done.WaitAsync(_stop.Token);
        }
    }

    private long Now()
    {
        lock (_clockGate)
        {
            return _clock.Now.ToUnixTimeMilliseconds();
        }
    }

    /// <summary>What is told of the events behind the cursor is stored with it: a kill loses neither, and tells no event under two ids.</summary>
    /// <returns>There may be more.</returns>
    private async Task<bool> AdvanceAsync()
    {
        var room = RoomLeft();
        Problem = room > 0 ? null : "too much waits or is dead: events are looked at again when something of it was delivered, replayed or forgotten (webhooks.messages, webhooks.message_bytes)";
        if (room == 0)
        {
            return false;
        }

        var read = Cursor;
        var page = _context.Events.Read(read, Math.Min(room, PageEvents), _hook.Filter);
        if (page.Next <= read)
        {
            Problem = page.Stalled;
            return false;
        }

        var now = Now(); // only this loop moves the clock
        var messages = page.Events.Where(static e => !e.Type.StartsWith(EventTypes.WebhookPrefix, StringComparison.Ordinal))
            .Select(e => new WebhookMessage(e.Sequence, e.Type, WebhookBody.Of(e), 0, now)).ToList();
        if (messages.Count > 0 || page.Next - _stored >= UnstoredEvents)
        {
            var advance = new WebhookAdvance(_hook.Id, page.Next, messages);
            _context.Store.Post(advance);
            await advance.Done.WaitAsync(_stop.Token);
            _stored = page.Next;
            Interlocked.Add(ref _waiting, advance.Changed);
            Interlocked.Add(ref _bytes, advance.Bytes);
        }

        Interlocked.Exchange(ref _read, page.Next);
        return page.Next < _context.Events.Last;
    }

    private int RoomLeft()
    {
        var backlog = Backlog;
        return backlog.Bytes >= _context.Options.MostBytes ? 0 : (int)Math.Max(0, _context.Options.MostMessages - backlog.Waiting - backlog.Dead);
    }

    /// <returns>When the next message is due that is not under way.</returns>
    private TimeSpan SendDue()
    {
        var now = Now();
        var most = _context.Options.Parallel;
        foreach (var message in _context.Store.ReadMessages(_hook.Id, most + _underWay.Count + 1))
        {
            if (_underWay.ContainsKey(message.Sequence))
            {
                continue;
            }

            if (message.DueUnixMs > now)
            {
                return TimeSpan.FromMilliseconds(message.DueUnixMs - now);
            }

            if (_underWay.Count >= most)
            {
                break; // the next one that ends wakes us
            }

            // Entered before it begins: one that ends at once takes itself out.
            var begun = NewSignal();
            _underWay[message.Sequence] = begun.Task;
            _ = DeliverAsync(message, begun);
        }

        return s_longestRest;
    }

    [SuppressMessage("Design", "CA1031", Justification = "A defect here is told; the message is stored and sent again.")]
    private async Task DeliverAsync(WebhookMessage message, TaskCompletionSource ended)
    {
        try
        {
            await Task.Yield();
            await SendAsync(message);
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // Whether it arrived is not known: it is sent again under the same id.
        }
        catch (Exception defect)
        {
            _context.OnDefect(defect);
            await Task.Delay(s_again, _context.Time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        finally
        {
            _underWay.TryRemove(message.Sequence, out _);
            ended.SetResult();
            Wake();
        }
    }

    private async Task SendAsync(WebhookMessage message)
    {
        var time = _context.Time;
        var (at, began) = (time.GetUtcNow(), time.GetTimestamp());
        var sent = await _sender.SendAsync(_hook, message, _stop.Token);
        var attempt = message.Attempts + 1;
        var outcome = sent.IsDelivered ? AttemptOutcome.Delivered : sent.IsGone ? AttemptOutcome.Gone : attempt >= _context.Options.Attempts ? AttemptOutcome.Dead : AttemptOutcome.Failed;
        var now = time.GetUtcNow();
        var rest = outcome == AttemptOutcome.Failed ? RetrySchedule.After(_context.Options, attempt, sent.RetryAfter, _context.Chance()) : TimeSpan.Zero;
        var tried = new WebhookAttempt(
            message.Sequence, message.Type, at.ToUnixTimeMilliseconds(), attempt, outcome, sent.Status, (long)time.GetElapsedTime(began).TotalMicroseconds, sent.Detail);
        var told = outcome == AttemptOutcome.Dead
            ? WebhookEvents.Of(_hook, WebhookEvents.Dead, now, $"{WebhookSender.IdOf(_hook.Id, message.Sequence)} was tried {attempt} times: {sent.Detail}") : null;
        if (outcome == AttemptOutcome.Gone)
        {
            // First: while it is enabled the message would be sent again at once.
            await _context.Disable(_hook.Id, string.Create(CultureInfo.InvariantCulture, $"its receiver answered 410 (gone) at {at:yyyy-MM-dd'T'HH:mm:ss'Z'}"), _stop.Token);
        }

        WebhookResult result;
        lock (_clockGate)
        {
            result = new WebhookResult(_hook.Id, tried, (_clock.Now + rest).ToUnixTimeMilliseconds()) { Event = told };
            _context.Store.Post(result);
        }

        await result.Done.WaitAsync(_stop.Token);
        _context.Counters.Count(outcome);
        if (outcome is AttemptOutcome.Delivered or AttemptOutcome.Dead)
        {
            Interlocked.Add(ref _waiting, -result.Changed);
            Interlocked.Add(ref _dead, outcome == AttemptOutcome.Dead ? result.Changed : 0);
            Interlocked.Add(ref _bytes, outcome == AttemptOutcome.Delivered ? -(long)message.Body.Length * result.Changed : 0);
        }
    }

    /// <summary>Forgets old tries and old dead messages.</summary>
    private async Task<TimeSpan> SweepAsync()
    {
        var time = _context.Time;
        var left = time.GetElapsedTime(time.GetTimestamp(), _nextSweep);
        if (left > TimeSpan.Zero)
        {
            return left;
        }

        var (hook, now) = (_hook, time.GetUtcNow());
        var sweep = new WebhookSweep(hook.Id, _retention.Before(_context.Options.Retention).ToUnixTimeMilliseconds(), _context.Options.MostAttempts)
        {
            OfForgotten = count => WebhookEvents.Of(hook, WebhookEvents.Forgotten, now, "dead messages that nobody replayed in time", count),
        };
        _context.Store.Post(sweep);
        await sweep.Done.WaitAsync(_stop.Token);
        if (sweep.Changed > 0)
        {
            Volatile.Write(ref _counted, false);
        }

        var more = sweep.Changed >= WebhookSweep.MostAtOnce || sweep.AttemptsGone >= WebhookSweep.MostAtOnce;
        _nextSweep = time.GetTimestamp() + (more ? 0 : (long)(s_sweepEach.TotalSeconds * time.TimestampFrequency));
        return more ? TimeSpan.Zero : s_sweepEach;
    }

    private async Task RestAsync(Task woken, TimeSpan rest, bool isBroken)
    {
        if (rest <= TimeSpan.Zero)
        {
            return;
        }

        using var either = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        var looks = !isBroken && _hook.IsEnabled && RoomLeft() > 0;
        var longest = rest < s_longestRest ? rest : s_longestRest;
        var waited = looks ? _context.Events.WaitAsync(Cursor, longest, either.Token) : Task.Delay(longest, _context.Time, either.Token);
        await Task.WhenAny(waited, woken);
        await either.CancelAsync();
        try
        {
            await waited;
        }
        catch (OperationCanceledException)
        {
            // Woken, or the end.
        }
    }
}
