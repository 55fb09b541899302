using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Runtime.Versioning;
using System.Text.Json;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Tasks;

/// <summary>
/// The wall clock of a node that serves with a ledger is set by hours, by way of libfaketime, which leaves the monotonic clock alone: nothing ends or is sent early, nothing waits for the
/// hours, nothing is forgotten or told twice, and the jump is told.
/// </summary>
[Collection("runtimes")]
[SupportedOSPlatform("linux")]
[Trait("Promise", "TR4")]
public sealed class ClockJumpTests : ServeTest
{
    private const int Bound = 300_000;
    private const string DaemonUid = "1900000000"; // as root; else the daemon is who starts it
    private const string Preloaded = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

    private readonly string _clock = Path.Combine(Path.GetTempPath(), $"wayang-clock-{Path.GetRandomFileName()}");

    [Theory(Timeout = Bound)]
    [InlineData(3)]
    [InlineData(-3)]
    public async Task A_clock_that_is_set_by_hours_changes_nothing_but_is_told(int hours)
    {
        Assert.SkipUnless(File.Exists(Preloaded), $"{Preloaded} is not there (package faketime)");
        using var receiver = new HttpListener();
        var (hooks, web) = (FreePort(), FreePort());
        receiver.Prefixes.Add(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{hooks}/"));
        receiver.Start();
        await SetAsync(0);
        await PrepareAsync(web);
        long last;
        TaskSpec keyed;
        TaskId known;
        await using (var serve = await StartFakedAsync())
        {
            await using var client = await ConnectAsync(serve);
            await client.CreateWebhookAsync(new WebhookSpec { Address = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{hooks}/"), Type = "wayang.task", Severity = "warning" }, TestContext.Current.CancellationToken);
            keyed = TaskSpec.Command("/bin/false") with { Durable = true, IdempotencyKey = "once" };
            known = await client.SubmitAsync(keyed, TestContext.Current.CancellationToken);
            await client.WaitAsync(known, cancellation: TestContext.Current.CancellationToken);
            Assert.Equal(known.ToString(), await AnswerAsync(receiver, 503)); // and is to be tried again in three seconds
            var running = await client.SubmitAsync(Long("sleep 5") with { Timeout = TimeSpan.FromMinutes(2) }, TestContext.Current.CancellationToken);
            var again = await client.SubmitAsync(Long("exit 3") with { Retry = new RetrySpec(2) { Backoff = TimeSpan.FromSeconds(4), JitterPercent = 0, On = [CauseType.Exit] } }, TestContext.Current.CancellationToken);
            await Eventually.ValueAsync("it waits for its second attempt", async () => (await client.GetAsync(again)).Life!.RetryAt is null ? null : "");
            last = (await client.ListEventsAsync(new EventQuery { Limit = 1_000 }, TestContext.Current.CancellationToken)).Next;

            await SetAsync(hours);
            var told = await Eventually.ValueAsync("the jump is told", async () => (await client.ListIncidentsAsync()).FirstOrDefault(static i => i.Kind == "clock_jump"));
            Assert.InRange(told.Duration, TimeSpan.FromHours(3) - TimeSpan.FromSeconds(2), TimeSpan.FromHours(3) + TimeSpan.FromSeconds(2));
            Assert.Contains(hours > 0 ? "forward by 0" : "back by 0", told.Reason, StringComparison.Ordinal);
            var batch = await Eventually.ValueAsync("an event tells it", async () => await client.ListEventsAsync(new EventQuery { Since = last, Type = "wayang.incident.clock_jump" }) is { Events.Count: > 0 } found ? found : null);
            Assert.Equal("warning", Assert.Single(batch.Events).Severity);
            using var http = new HttpClient();
            Assert.Contains("wayang_clock_jumps_total 1", await http.GetStringAsync(new Uri($"http://127.0.0.1:{web}/metrics"), TestContext.Current.CancellationToken), StringComparison.Ordinal);

            // Within the patience of the tests, not within hours; and not cut short.
            while (await AnswerAsync(receiver, 204) != known.ToString())
            {
                // Of the other task, whose first attempt failed.
            }

            Assert.True((await client.WaitAsync(running, TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken)).Succeeded);
            var tried = await client.WaitAsync(again, TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken);
            Assert.Equal((CauseType.Exit, 2), (tried.Cause.Type, (await client.GetAsync(again, TestContext.Current.CancellationToken)).Life!.Attempt));
            Assert.Equal(known, await client.SubmitAsync(keyed, TestContext.Current.CancellationToken));
            await EndAsync(serve);
        }

        // Another start, under the clock as it is now.
        await using var restarted = await StartFakedAsync();
        await using var later = await ConnectAsync(restarted);
        Assert.Equal(TaskState.Failed, (await later.GetAsync(known, TestContext.Current.CancellationToken)).State);
        if (hours < 0)
        {
            Assert.Equal(known, await later.SubmitAsync(keyed, TestContext.Current.CancellationToken)); // forward by more than the keys' hour or so: it is another task
        }

        var all = await later.ListEventsAsync(new EventQuery { Since = last, Limit = 1_000 }, TestContext.Current.CancellationToken);
        Assert.Equal(Enumerable.Range(1, all.Events.Count).Select(i => last + i), all.Events.Select(static e => e.Sequence)); // no hole, none twice
        Assert.DoesNotContain(all.Events, static e => e.Type.EndsWith(".gap", StringComparison.Ordinal));
        await EndAsync(restarted);
        File.Delete(_clock);
    }

    /// <summary>Its deadline is in half an hour: a jump of hours goes over it.</summary>
    private static TaskSpec Long(string script) =>
        TaskSpec.Command("/bin/sh", "-c", script) with { Durable = true, Deadline = DateTimeOffset.UtcNow + TimeSpan.FromMinutes(30) };

    /// <returns>Of which task the next message tells.</returns>
    private static async Task<string> AnswerAsync(HttpListener receiver, int status)
    {
        var came = await receiver.GetContextAsync().WaitAsync(Eventually.Patience);
        using var body = await JsonDocument.ParseAsync(came.Request.InputStream);
        came.Response.StatusCode = status;
        came.Response.Close();
        return body.RootElement.GetProperty("subject").GetString()!.Split('/')[^1];
    }

    /// <summary>As a whole, under the eyes of those who read it at each look at the clock.</summary>
    private async Task SetAsync(int hours)
    {
        await File.WriteAllTextAsync(_clock + ".new", string.Create(CultureInfo.InvariantCulture, $"{hours * 3600:+0;-0;+0}"));
        File.SetUnixFileMode(_clock + ".new", UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        File.Move(_clock + ".new", _clock, overwrite: true);
    }

    private Task<Orphanage> StartFakedAsync() => StartAsync(
        ("LD_PRELOAD", Preloaded), ("FAKETIME_TIMESTAMP_FILE", _clock), ("FAKETIME_NO_CACHE", "1"), ("FAKETIME_DONT_FAKE_MONOTONIC", "1"), ("FAKETIME_DISABLE_SHM", "1"),
        ("DONT_FAKE_MONOTONIC", "1"), ("NO_FAKE_STAT", "1"));

    private async Task PrepareAsync(int web)
    {
        if (Installation.IsRoot)
        {
            using var chown = Process.Start("chown", ["-R", DaemonUid, StateDirectory]);
            await chown.WaitForExitAsync(TestContext.Current.CancellationToken);
        }

        Configure(string.Create(
            CultureInfo.InvariantCulture,
            $"state: {{directory: {StateDirectory}}}\nhttp_port: {web}\nwebhooks: {{allow_private: true, retry_first_ms: 3000}}\n"));
    }
}
