using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Core.Ports;
using Xunit;

namespace Wayang.Fast.Ledger.Tests;

/// <summary>Webhooks, their places in the stream and their messages: what is stored together is there together, and what is stored twice is there once.</summary>
[Trait("Promise", "COM6")]
[Trait("Promise", "TR4")]
public sealed class WebhookTests : SmallDiskFixture
{
    private const string Id = "wh1";

    [Fact]
    public async Task Messages_stand_with_the_cursor_and_outlive_a_restart()
    {
        using (var ledger = Open())
        {
            Assert.Null(await StoreAsync(ledger, new WebhookPut(Hook())));
            Assert.Null(await StoreAsync(ledger, new WebhookAdvance(Id, 7, [Message(5), Message(7, due: 1)])));
        }

        using var again = Open();
        var hook = Assert.Single(again.ReadWebhooks());
        Assert.Equal((Id, 3, "https://e.example/", 7L, true), (hook.Id, hook.Tenant, hook.Url, hook.Cursor, hook.IsEnabled));
        Assert.Equal(new EventFilter { Type = "wayang.task", Severity = EventSeverity.Warning, Tenant = 4 }, hook.Filter);
        Assert.Equal([1, 2, 3], hook.Secret.ToArray());
        Assert.Equal([7, 5], again.ReadMessages(Id, 10).Select(static m => m.Sequence));
        Assert.Equal(new WebhookBacklog(2, 0, 8), again.ReadBacklog(Id));
    }

    [Fact]
    public async Task What_is_stored_again_changes_nothing_and_brings_nothing_back()
    {
        using var ledger = Open();
        await StoreAsync(ledger, new WebhookPut(Hook()));
        await StoreAsync(ledger, new WebhookAdvance(Id, 7, [Message(5)]));
        await StoreAsync(ledger, Result(5, AttemptOutcome.Delivered));
        var repeated = new WebhookAdvance(Id, 7, [Message(5)]);
        Assert.Null(await StoreAsync(ledger, repeated));
        Assert.Equal(0, repeated.Changed);
        Assert.Empty(ledger.ReadMessages(Id, 10));
        await StoreAsync(ledger, new WebhookPut(Hook() with { Url = "https://other.example/", Cursor = 1 }));
        Assert.Equal(("https://other.example/", 7L), ledger.ReadWebhooks()[0] is { } hook ? (hook.Url, hook.Cursor) : default);
    }

    [Fact]
    public async Task A_message_is_tried_dies_and_is_replayed_and_all_of_it_is_logged()
    {
        using var ledger = Open();
        await StoreAsync(ledger, new WebhookPut(Hook()));
        await StoreAsync(ledger, new WebhookAdvance(Id, 7, [Message(5), Message(6)]));
        await StoreAsync(ledger, Result(5, AttemptOutcome.Failed, attempt: 1, due: 500));
        Assert.Equal((1, 500L), ledger.ReadMessages(Id, 10).First(static m => m.Sequence == 5) is { } m ? (m.Attempts, m.DueUnixMs) : default);
        await StoreAsync(ledger, Result(5, AttemptOutcome.Dead, attempt: 2, due: 600));
        Assert.Equal(new WebhookBacklog(1, 1, 8), ledger.ReadBacklog(Id));
        var none = new WebhookReplay(Id, 6, 700);
        await StoreAsync(ledger, none);
        Assert.Equal(0, none.Changed);
        var replay = new WebhookReplay(Id, null, 700);
        await StoreAsync(ledger, replay);
        Assert.Equal(1, replay.Changed);
        Assert.Equal((0, 700L), ledger.ReadMessages(Id, 10).First(static m => m.Sequence == 5) is { } back ? (back.Attempts, back.DueUnixMs) : default);
        Assert.Equal([AttemptOutcome.Dead, AttemptOutcome.Failed], ledger.ReadAttempts(Id, null, 10).Select(static a => a.Outcome));
        Assert.Equal(2, Assert.Single(ledger.ReadAttempts(Id, AttemptOutcome.Dead, 10)).Attempt);
    }

    [Fact]
    public async Task Times_move_with_the_clock_once_however_often_it_is_stored()
    {
        using (var ledger = Open())
        {
            await StoreAsync(ledger, new WebhookPut(Hook()));
            await StoreAsync(ledger, new WebhookAdvance(Id, 7, [Message(5), Message(6)]));
            await StoreAsync(ledger, Result(5, AttemptOutcome.Failed, due: 500, at: 400));
            await StoreAsync(ledger, new WebhookShift(Id, TimeSpan.FromMilliseconds(1_000), 1));
            await StoreAsync(ledger, new WebhookShift(Id, TimeSpan.FromMilliseconds(1_000), 1));
            Assert.Equal([(6, 1_002L), (5, 1_500L)], ledger.ReadMessages(Id, 10).Select(static m => ((int)m.Sequence, m.DueUnixMs)));
            await StoreAsync(ledger, new WebhookPut(Hook())); // a change leaves the number
        }

        using var again = Open();
        Assert.Equal(1, Assert.Single(again.ReadWebhooks()).Shifts);
        await StoreAsync(again, new WebhookShift(Id, TimeSpan.FromMilliseconds(-1_000), 2));
        Assert.Equal(500, again.ReadMessages(Id, 10)[^1].DueUnixMs);
        await StoreAsync(again, new WebhookRecovery(Id, 450)); // its last try was before
        Assert.Equal(500, again.ReadMessages(Id, 10)[^1].DueUnixMs);
        await StoreAsync(again, new WebhookRecovery(Id, 300)); // it was not: the clock was put back
        Assert.Equal(300, again.ReadMessages(Id, 10)[^1].DueUnixMs);
    }

    [Fact]
    public async Task Tries_are_read_page_by_page_whatever_is_added_in_between()
    {
        using var ledger = Open();
        await StoreAsync(ledger, new WebhookPut(Hook()));
        await StoreAsync(ledger, new WebhookAdvance(Id, 7, [Message(5)]));
        for (var i = 1; i <= 7; i++)
        {
            await StoreAsync(ledger, Result(5, AttemptOutcome.Failed, attempt: i));
        }

        var first = ledger.ReadAttempts(Id, null, 3);
        await StoreAsync(ledger, Result(5, AttemptOutcome.Failed, attempt: 8));
        var second = ledger.ReadAttempts(Id, AttemptOutcome.Failed, 3, first[^1].Place);
        var third = ledger.ReadAttempts(Id, null, 3, second[^1].Place);
        Assert.Equal([7, 6, 5, 4, 3, 2, 1], first.Concat(second).Concat(third).Select(static a => a.Attempt));
        Assert.Empty(ledger.ReadAttempts(Id, null, 3, third[^1].Place));
    }

    [Fact]
    public async Task A_removed_one_leaves_nothing_and_what_comes_late_brings_nothing_back()
    {
        using var ledger = Open();
        await StoreAsync(ledger, new WebhookPut(Hook()));
        await StoreAsync(ledger, new WebhookAdvance(Id, 7, [Message(5)]));
        await StoreAsync(ledger, new WebhookRemoval(Id));
        await StoreAsync(ledger, Result(5, AttemptOutcome.Failed));
        await StoreAsync(ledger, new WebhookAdvance(Id, 9, [Message(9)]));
        Assert.Empty(ledger.ReadWebhooks());
        Assert.Equal(default, ledger.ReadBacklog(Id));
        Assert.Empty(ledger.ReadAttempts(Id, null, 10));
    }

    [Fact]
    public async Task Old_tries_and_old_dead_messages_are_forgotten_and_an_event_tells_it()
    {
        using var ledger = Open();
        await StoreAsync(ledger, new WebhookPut(Hook()));
        await StoreAsync(ledger, new WebhookAdvance(Id, 7, [Message(5), Message(6), Message(7)]));
        await StoreAsync(ledger, Result(5, AttemptOutcome.Dead, due: 100, at: 100));
        await StoreAsync(ledger, Result(6, AttemptOutcome.Dead, due: 900, at: 900));
        await StoreAsync(ledger, Result(7, AttemptOutcome.Failed, due: 100, at: 901));
        await StoreAsync(ledger, new WebhookSweep(Id, 500, 1)
        {
            OfForgotten = static count => new NodeEvent(0, 1, "wayang.webhook.forgotten", EventSeverity.Warning, 3, default, EventData.Number("count", count)),
        });
        Assert.Equal(new WebhookBacklog(1, 1, 8), ledger.ReadBacklog(Id));
        Assert.Equal(7, Assert.Single(ledger.ReadAttempts(Id, null, 10)).Sequence);
        Assert.Equal("wayang.webhook.forgotten", Assert.Single(ledger.ReadEvents(0, 10)).Type);
    }

    [Fact]
    public async Task On_a_full_disk_changes_are_refused_and_what_was_sent_waits_for_room()
    {
        Mount();
        using var ledger = Open();
        await StoreAsync(ledger, new WebhookPut(Hook()));
        await StoreAsync(ledger, new WebhookAdvance(Id, 5, [Message(5)]));
        var ballast = Fill();
        OperationError? refusal = null;
        for (var i = 0; i < 200 && refusal is null; i++)
        {
            refusal = await StoreAsync(ledger, new WebhookPut(Hook() with { Url = "https://e.example/" + new string('x', 8_000) + i }));
        }

        Assert.Equal(ErrorCode.Unavailable, refusal!.Code);
        Assert.Contains("full", refusal.Message, StringComparison.Ordinal);
        var advance = new WebhookAdvance(Id, 9, [Message(9)]);
        var result = Result(5, AttemptOutcome.Delivered);
        ledger.Post(advance);
        ledger.Post(result);
        Assert.NotNull(await StoreAsync(ledger, new WebhookRemoval(Id))); // behind them, and answered: they wait
        Assert.False(advance.Done.IsCompleted || result.Done.IsCompleted);
        Assert.Equal([5], ledger.ReadMessages(Id, 10).Select(static m => m.Sequence));
        File.Delete(ballast);
        Assert.Null(await Within(advance.Done));
        Assert.Null(await Within(result.Done));
        Assert.Equal([9], ledger.ReadMessages(Id, 10).Select(static m => m.Sequence));
        Assert.Equal(9, ledger.ReadWebhooks()[0].Cursor);
    }

    private static StoredWebhook Hook() => new(Id, 3)
    {
        Url = "https://e.example/", Filter = new EventFilter { Type = "wayang.task", Severity = EventSeverity.Warning, Tenant = 4 }, CreatedUnixMs = 1, Secret = new byte[] { 1, 2, 3 },
    };

    private static WebhookMessage Message(long sequence, long due = 2) => new(sequence, "wayang.task.failed", new byte[] { 1, 2, 3, 4 }, 0, due);

    private static WebhookResult Result(long sequence, AttemptOutcome outcome, int attempt = 1, long due = 0, long at = 0) =>
        new(Id, new WebhookAttempt(sequence, "wayang.task.failed", at, attempt, outcome, 500, 10, "said no"), due);

    private static Task<OperationError?> StoreAsync(SqliteLedger ledger, WebhookWrite write)
    {
        ledger.Post(write);
        return Within(write.Done);
    }
}
