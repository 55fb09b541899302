using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.Webhooks;

/// <summary>
/// The node's webhooks: makes, changes and removes them, and has a loop at work for each. Changes go one after the other and are told when they are stored. A tenant
/// sees its own; the default tenant, which is the operator's, sees all.
/// </summary>
public sealed class WebhookDesk : IMetricSource, IAsyncDisposable
{
    private const int DefaultTenant = 0;
    private const int IdBytes = 10;
    private static readonly TimeSpan s_again = TimeSpan.FromSeconds(1);

    private readonly WebhookContext _context;
    private readonly ConcurrentDictionary<string, WebhookLoop> _loops = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _gate = new(1);
    private readonly CancellationTokenSource _stop = new();
    private Task _loading = Task.CompletedTask;
    private volatile string? _unread = "they are being read";

    /// <param name="store">Where they stand.</param>
    /// <param name="events">What they are told of.</param>
    /// <param name="options">Bounds.</param>
    /// <param name="time">Clock.</param>
    /// <param name="onDefect">Told of a defect; must not throw.</param>
    public WebhookDesk(IWebhookStore store, EventStream events, WebhookOptions options, TimeProvider time, Action<Exception> onDefect)
        : this(store, events, options, time, onDefect, GuardedConnector.System, Random.Shared.NextDouble)
    {
    }

    internal WebhookDesk(
        IWebhookStore store, EventStream events, WebhookOptions options, TimeProvider time, Action<Exception> onDefect,
        Func<string, CancellationToken, Task<IPAddress[]>> resolve, Func<double> chance) =>
        _context = new WebhookContext(store, events, options, time) { Resolve = resolve, Chance = chance, OnDefect = onDefect, Disable = DisableAsync };

    /// <summary>Reads them, again until that succeeds, and sets them to work.</summary>
    public void Start() => _loading = Task.Run(LoadAsync);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loading;
        foreach (var loop in _loops.Values)
        {
            await loop.DisposeAsync();
        }

        _loops.Clear();
        _stop.Dispose();
        _gate.Dispose();
    }

    public void WriteMetrics(Exposition exposition)
    {
        ArgumentNullException.ThrowIfNull(exposition);
        var (waiting, dead) = (0L, 0L);
        foreach (var loop in _loops.Values)
        {
            waiting += loop.Backlog.Waiting;
            dead += loop.Backlog.Dead;
        }

        _context.Counters.Write(exposition);
        exposition.Gauge("wayang_webhooks", "Webhooks.", _loops.Count);
        exposition.Gauge("wayang_webhook_messages_waiting", "Messages that webhooks have to send.", waiting);
        exposition.Gauge("wayang_webhook_messages_dead", "Messages of webhooks that were given up and can be replayed.", dead);
    }

    /// <returns>The webhook and its secret, or the refusal.</returns>
    internal async Task<(StoredWebhook? Hook, OperationError? Refusal)> CreateAsync(int tenant, WebhookWish wish, CancellationToken cancellation)
    {
        if (wish.Refuse(tenant, _context.Options.AllowPrivate) is { } unfit)
        {
            return (null, unfit);
        }

        await _gate.WaitAsync(cancellation);
        try
        {
            if (NotRead() is { } early)
            {
                return (null, early);
            }

            if (_loops.Count >= _context.Options.Most)
            {
                return (null, new(ErrorCode.ResourceExhausted, string.Create(CultureInfo.InvariantCulture, $"There are {_loops.Count} webhooks already (webhooks.max): delete one.")));
            }

            var last = _context.Events.Last;
            if (wish.Since > last && wish.Since != EventStream.FromNow)
            {
                return (null, new(ErrorCode.InvalidArgument, string.Create(CultureInfo.InvariantCulture, $"'since' is beyond the newest event ({last}), so it is none of this node's; leave it out to begin now."), "since"));
            }

            var made = new StoredWebhook("wh" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(IdBytes)), tenant)
            {
                Url = wish.Url!, Filter = wish.FilterOver(new EventFilter { Tenant = tenant == DefaultTenant ? null : tenant }),
                CreatedUnixMs = _context.Time.GetUtcNow().ToUnixTimeMilliseconds(), Secret = wish.Secret ?? WebhookSecret.Create(), Cursor = Math.Min(wish.Since ?? last, last),
            };
            if (await StoreAsync(new WebhookPut(made)) is { } refusal)
            {
                return (null, refusal);
            }

            Begin(made);
            return (made, null);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Those that a tenant may see, in the order in which they were made.</summary>
    internal (IReadOnlyList<WebhookView> Hooks, OperationError? Refusal) List(int tenant) => NotRead() is { } early
        ? ([], early)
        : ([.. _loops.Values.Where(l => IsOf(tenant, l)).OrderBy(static l => l.Hook.CreatedUnixMs).ThenBy(static l => l.Hook.Id, StringComparer.Ordinal).Select(WebhookView.Of)], null);

    internal (WebhookView? Hook, OperationError? Refusal) Get(int tenant, string id) => Find(tenant, id, out var loop) is { } refusal ? (null, refusal) : (WebhookView.Of(loop!), null);

    internal async Task<(WebhookView? Hook, OperationError? Refusal)> UpdateAsync(int tenant, string id, WebhookWish wish, CancellationToken cancellation)
    {
        if (wish.Refuse(tenant, _context.Options.AllowPrivate) is { } unfit)
        {
            return (null, unfit);
        }

        var refusal = await ChangeAsync(tenant, id, hook => hook with
        {
            Url = wish.Url ?? hook.Url, Filter = wish.FilterOver(hook.Filter), IsEnabled = wish.IsEnabled ?? hook.IsEnabled,
            Reason = wish.IsEnabled switch { true => string.Empty, false => "by who operates", null => hook.Reason },
        }, null, cancellation);
        return refusal is null ? Get(tenant, id) : (null, refusal);
    }

    /// <summary>A new secret; the one before it signs too for a while, and the one before that no more.</summary>
    internal async Task<(StoredWebhook? Hook, OperationError? Refusal)> RotateAsync(int tenant, string id, TimeSpan? overlap, CancellationToken cancellation)
    {
        StoredWebhook? made = null;
        var until = (_context.Time.GetUtcNow() + (overlap ?? _context.Options.Rotation)).ToUnixTimeMilliseconds();
        var refusal = await ChangeAsync(
            tenant, id, hook => made = hook with { Secret = WebhookSecret.Create(), FormerSecret = hook.Secret, FormerUntilUnixMs = until }, null, cancellation);
        return (refusal is null ? made : null, refusal);
    }

    internal async Task<OperationError?> DeleteAsync(int tenant, string id, CancellationToken cancellation)
    {
        await _gate.WaitAsync(cancellation);
        try
        {
            if (Find(tenant, id, out var loop) is { } missing)
            {
                return missing;
            }

            if (await StoreAsync(new WebhookRemoval(id)) is { } refusal)
            {
                return refusal;
            }

            _loops.TryRemove(id, out _);
            await loop!.DisposeAsync();
            return null;
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <returns>How many messages are sent again.</returns>
    internal async Task<(int Replayed, OperationError? Refusal)> ReplayAsync(int tenant, string id, long? sequence)
    {
        if (Find(tenant, id, out var loop) is { } missing)
        {
            return (0, missing);
        }

        var replay = new WebhookReplay(id, sequence, dueUnixMs: 0);
        var refusal = await StoreAsync(replay);
        if (refusal is null && replay.Changed == 0 && sequence is not null)
        {
            return (0, new(ErrorCode.NotFound, "There is no dead message of that event: 'webhook.deliveries' with the outcome dead lists them.", "event"));
        }

        loop!.Recount();
        return (replay.Changed, refusal);
    }

    internal (IReadOnlyList<WebhookAttempt> Attempts, OperationError? Refusal) Deliveries(int tenant, string id, AttemptOutcome? outcome, int limit, long? before = null)
    {
        if (Find(tenant, id, out _) is { } missing)
        {
            return ([], missing);
        }

        try
        {
            return (_context.Store.ReadAttempts(id, outcome, limit, before), null);
        }
        catch (LedgerUnreadableException failure)
        {
            return ([], Unreadable(failure.Message));
        }
    }

    private static bool IsOf(int tenant, WebhookLoop loop) => tenant == DefaultTenant || loop.Hook.Tenant == tenant;

    private static OperationError Unreadable(string why) => new(ErrorCode.Unavailable, $"Webhooks are in the ledger, and it cannot be read: {why}.", RetryAfterMs: 1_000);

    private OperationError? NotRead() => _unread is { } why ? Unreadable(why) : null;

    private OperationError? Find(int tenant, string id, out WebhookLoop? loop)
    {
        loop = null;
        return NotRead() ?? (_loops.TryGetValue(id, out loop) && IsOf(tenant, loop)
            ? null
            : new(ErrorCode.NotFound, "There is no such webhook: 'webhook.list' has those that there are.", "webhook"));
    }

    private async Task<OperationError?> ChangeAsync(int tenant, string id, Func<StoredWebhook, StoredWebhook> change, NodeEvent? told, CancellationToken cancellation)
    {
        await _gate.WaitAsync(cancellation);
        try
        {
            if (Find(tenant, id, out var loop) is { } missing)
            {
                return missing;
            }

            var changed = change(loop!.Hook);
            if (await StoreAsync(new WebhookPut(changed) { Event = told }) is { } refusal)
            {
                return refusal;
            }

            loop.Hook = changed;
            return null;
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>For its loop. What is not stored now is asked for again at the next try.</summary>
    private Task DisableAsync(string id, string reason, CancellationToken cancellation) => _loops.TryGetValue(id, out var loop)
        ? ChangeAsync(
            DefaultTenant, id, hook => hook with { IsEnabled = false, Reason = reason },
            WebhookEvents.Of(loop.Hook, WebhookEvents.Disabled, _context.Time.GetUtcNow(), reason), cancellation)
        : Task.CompletedTask;

    /// <summary>A caller that gives up meanwhile is waited for nevertheless: what is stored is also at work.</summary>
    private async Task<OperationError?> StoreAsync(WebhookWrite write)
    {
        _context.Store.Post(write);
        var refusal = await write.Done.WaitAsync(_stop.Token);
        return refusal is null ? null : refusal with { Field = null, Message = $"Nothing of the webhook was changed: {refusal.Message}" };
    }

    private void Begin(StoredWebhook hook)
    {
        var loop = new WebhookLoop(_context, hook);
        _loops[hook.Id] = loop;
        loop.Start();
    }

    [SuppressMessage("Design", "CA1031", Justification = "A defect here is told and tried again: it must not end the node.")]
    private async Task LoadAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                foreach (var hook in _context.Store.ReadWebhooks())
                {
                    Begin(hook);
                }

                _unread = null;
                return;
            }
            catch (LedgerUnreadableException failure)
            {
                _unread = failure.Message;
            }
            catch (Exception defect)
            {
                _context.OnDefect(defect);
                _unread = defect.Message;
            }

            await Task.Delay(s_again, _context.Time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
