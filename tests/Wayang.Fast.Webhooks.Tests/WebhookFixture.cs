using System.Net;
using System.Threading.Channels;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Gateway.Webhooks;
using Wayang.Fast.Ledger;
using Xunit;

namespace Wayang.Fast.Webhooks.Tests;

/// <summary>Webhooks over a real ledger in a directory of its own, on a clock that the test moves.</summary>
internal sealed class WebhookFixture : IAsyncDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("wayang-hooks-");
    private SqliteLedger? _ledger;

    private readonly int _kept;

    /// <param name="options">Bounds; private addresses are allowed unless they are given.</param>
    /// <param name="kept">Events that the ledger keeps, and twice of it memory.</param>
    public WebhookFixture(WebhookOptions? options = null, int kept = 1_000)
    {
        _kept = kept;
        Options = (options ?? new WebhookOptions()) with { AllowPrivate = options?.AllowPrivate ?? true };
        Open();
    }

    public WebhookOptions Options { get; set; }

    public ManualClock Clock { get; } = new();

    public EventDesk Events { get; private set; } = null!;

    public ObservedStore Store { get; private set; } = null!;

    public WebhookDesk Desk { get; private set; } = null!;

    public List<Exception> Defects { get; } = [];

    /// <summary>What names stand for; null: the loopback address.</summary>
    public Func<string, IPAddress[]> Names { get; set; } = static _ => [IPAddress.Loopback];

    /// <summary>Ends all, as a kill would: what is under way is not waited for to succeed. Then begins again with what is stored.</summary>
    public async Task RestartAsync()
    {
        await CloseAsync();
        Open();
    }

    public async Task<(string Id, string Secret)> CreateAsync(string url, WebhookWish? wish = null, int tenant = 0)
    {
        await LoadedAsync();
        var (hook, refusal) = await Desk.CreateAsync(tenant, (wish ?? new WebhookWish()) with { Url = url }, CancellationToken.None);
        Assert.Null(refusal);
        return (hook!.Id, WebhookSecret.Text(hook.Secret.Span));
    }

    public void Tell(string type, EventSeverity severity = EventSeverity.Info, int tenant = NodeEvent.OfNode) =>
        Events.Post(new NodeEvent(0, Clock.GetUtcNow().ToUnixTimeMilliseconds(), type, severity, tenant, default, EventData.Text("text", "grün <&>")));

    public WebhookView Get(string id)
    {
        var (hook, refusal) = Desk.Get(0, id);
        Assert.Null(refusal);
        return hook!;
    }

    /// <summary>Until what was stored is also counted.</summary>
    public async Task UntilAsync(string what, Func<bool> holds)
    {
        for (var tries = 0; !holds(); tries++)
        {
            Assert.True(tries < 6_000, what);
            await Task.Delay(10);
        }
    }

    public Task LoadedAsync() => UntilAsync("the webhooks are read", () => Desk.List(0).Refusal is null);

    public async ValueTask DisposeAsync()
    {
        await CloseAsync();
        _directory.Delete(recursive: true);
        Assert.Empty(Defects);
    }

    private void Open()
    {
        _ledger = SqliteLedger.Open(new LedgerOptions(Path.Combine(_directory.FullName, "ledger.db")) { MaxEvents = _kept }, Clock);
        Store = new ObservedStore(_ledger);
        Events = new EventDesk(2 * _kept, _ledger, Clock);
        Desk = new WebhookDesk(Store, Events.Stream, Options, Clock, Defects.Add, (name, _) => Task.FromResult(Names(name)), static () => 0.5);
        Desk.Start();
    }

    private async Task CloseAsync()
    {
        await Desk.DisposeAsync();
        Events.Stop();
        Events.Dispose();
        _ledger!.Dispose();
    }
}

/// <summary>A store that tells what was written to it when it is stored.</summary>
internal sealed class ObservedStore(IWebhookStore store) : IWebhookStore
{
    private readonly Channel<WebhookResult> _results = Channel.CreateUnbounded<WebhookResult>();

    /// <summary>The next try that was stored.</summary>
    public async Task<WebhookAttempt> NextAsync() => (await _results.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60))).Attempt;

    public IReadOnlyList<StoredWebhook> ReadWebhooks() => store.ReadWebhooks();

    public WebhookBacklog ReadBacklog(string webhook) => store.ReadBacklog(webhook);

    public IReadOnlyList<WebhookMessage> ReadMessages(string webhook, int limit) => store.ReadMessages(webhook, limit);

    public IReadOnlyList<WebhookAttempt> ReadAttempts(string webhook, AttemptOutcome? outcome, int limit, long? before = null) => store.ReadAttempts(webhook, outcome, limit, before);

    public void Post(WebhookWrite write)
    {
        if (write is WebhookResult result)
        {
            _ = TellAsync(result);
        }

        store.Post(write);
    }

    private async Task TellAsync(WebhookResult result)
    {
        if (await result.Done is OperationError refusal)
        {
            throw new InvalidOperationException(refusal.Message);
        }

        await _results.Writer.WriteAsync(result);
    }
}
