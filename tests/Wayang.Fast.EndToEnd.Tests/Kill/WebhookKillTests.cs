using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Runtime.Versioning;
using System.Text;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Kill;

/// <summary>The daemon is killed at random moments under durable load, while a receiver refuses some of what it is sent: each event of a task arrives, under one id.</summary>
[Collection("runtimes")]
[SupportedOSPlatform("linux")]
[Trait("Promise", "COM6")]
[Trait("Promise", "TR4")]
public sealed class WebhookKillTests : DaemonKillTest
{
    private const int Bound = 7_200_000;
    private static readonly int s_rounds = Environment.GetEnvironmentVariable("WAYANG_TEST_LONG") == "1" ? 200 : 4;

    private readonly ConcurrentDictionary<string, string> _taken = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<string> _faults = new();
    private readonly ConcurrentDictionary<string, byte> _seen = new(StringComparer.Ordinal);
    private int _came;

    [Fact(Timeout = Bound)]
    public async Task Each_event_is_delivered_under_one_id_however_often_the_daemon_is_killed()
    {
        await GiveStateToDaemonAsync();
        using var receiver = new HttpListener();
        var url = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{FreePort()}/");
        receiver.Prefixes.Add(url);
        receiver.Start();
        var receiving = ReceiveAsync(receiver);
        Configure($"http_port: 0\nstate:\n  directory: {State}\nwebhooks:\n  allow_private: true\n  retry_first_ms: 100\n");
        var seed = Environment.TickCount;
        var random = new Random(seed);
        string? webhook = null;
        for (var done = 0; done < s_rounds;)
        {
            await using var serve = await StartAsync();
            for (var i = 0; i < 4 && done < s_rounds; i++, done++)
            {
                await using (var client = await ConnectAsync(serve))
                {
                    webhook ??= (await client.CreateWebhookAsync(new WebhookSpec { Address = url, Type = "wayang.task", Since = 0 }, TestContext.Current.CancellationToken)).Webhook;
                }

                await KillUnderLoadAsync(serve, clients: 4, TimeSpan.FromMilliseconds(random.Next(1_000)), CallAsync);
            }

            await using var last = await ConnectAsync(serve);
            await CheckAsync(last, webhook!, seed);
            await EndAsync(serve);
        }

        receiver.Stop();
        await receiving;
        Assert.Empty(_faults);
        Assert.True(_taken.Count >= s_rounds, $"{_taken.Count} events were delivered in {s_rounds} rounds");
        Directory.Delete(State, recursive: true);
    }

    /// <summary>Every third is refused when it comes first (who is refused often waits for minutes); one that comes again says what it said before.</summary>
    private async Task ReceiveAsync(HttpListener receiver)
    {
        while (receiver.IsListening)
        {
            HttpListenerContext context;
            try
            {
                context = await receiver.GetContextAsync();
            }
            catch (Exception stopped) when (stopped is HttpListenerException or ObjectDisposedException)
            {
                return;
            }

            try
            {
                using var reader = new StreamReader(context.Request.InputStream, Encoding.UTF8);
                var (id, body) = (context.Request.Headers["webhook-id"]!, await reader.ReadToEndAsync());
                var refused = _seen.TryAdd(id, 0) && Interlocked.Increment(ref _came) % 3 == 0;
                if (!refused && _taken.GetOrAdd(id, body) is { } before && before != body)
                {
                    _faults.Enqueue($"{id} said {before} and {body}");
                }

                context.Response.StatusCode = refused ? 500 : 204;
                context.Response.Close();
            }
            catch (Exception gone) when (gone is HttpListenerException or IOException or ObjectDisposedException)
            {
                // The daemon was killed in the middle of it.
            }
        }
    }

    private static async Task CallAsync(WayangClient client, int which)
    {
        var id = await client.SubmitAsync(TaskSpec.Command("/bin/sh", "-c", "exit 7") with { Durable = true }, TestContext.Current.CancellationToken);
        await client.WaitAsync(id, cancellation: TestContext.Current.CancellationToken);
    }

    /// <summary>Each event of a task that the stream has arrived; and nothing is left behind.</summary>
    private async Task CheckAsync(WayangClient client, string webhook, int seed)
    {
        var expected = new List<string>();
        var since = 0L;
        while (await client.ListEventsAsync(new EventQuery { Since = since, Limit = 1_000 }, TestContext.Current.CancellationToken) is { Events.Count: > 0 } batch)
        {
            expected.AddRange(batch.Events.Where(static e => e.Type.StartsWith("wayang.task.", StringComparison.Ordinal)).Select(e => string.Create(CultureInfo.InvariantCulture, $"msg_{webhook}_{e.Sequence}")));
            Assert.DoesNotContain(batch.Events, static e => e.Type == "wayang.events.gap");
            since = batch.Next;
        }

        Assert.NotEmpty(expected);
        await Eventually.EmptyAsync($"each of {expected.Count} events arrives (seed {seed})", () => [.. expected.Where(id => !_taken.ContainsKey(id)).Take(10)]);
        await Eventually.ValueAsync("nothing is left to send", async () => await client.GetWebhookAsync(webhook) is { Waiting: 0, Dead: 0 } idle ? idle : null);
    }
}
