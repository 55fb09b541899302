using System.Globalization;
using System.Text.Json;
using Grpc.Core;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Gateway.Grpc.Wire;
using Wayang.Fast.Gateway.Tests.Grpc;
using Wayang.Fast.Gateway.Tests.Rest;
using Xunit;
using EventData = Wayang.Fast.Core.Events.EventData;

namespace Wayang.Fast.Gateway.Tests.Events;

/// <summary>The stream of events over each door: in order, resumed, for each tenant its own, and slow readers keep nobody.</summary>
[Trait("Promise", "COM2")]
public sealed class EventDoorTests
{
    private const int Theirs = 7; // the tenant of peers of the fixtures' sockets
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task Events_of_a_group_are_told_alone_at_each_door()
    {
        await using var rest = await RestFixture.StartAsync();
        await using var grpc = await GrpcFixture.StartAsync();
        foreach (var desk in new[] { rest.Events, grpc.Events })
        {
            desk.Post(Ended(Theirs, new TaskId(0, 1)));
            desk.Post("wayang.node.started", EventSeverity.Info, EventData.Text("group", "g")); // of no task
            desk.Post(EndOf("g", new TaskId(0, 2)));
            desk.Post(EndOf("other", new TaskId(0, 3)));
            desk.Post(EndOf("g", new TaskId(0, 4)));
            await Eventually.TrueAsync("all are there", () => desk.Stream.Told == 5);
        }

        string[] wanted = [new TaskId(0, 2).ToString(), new TaskId(0, 4).ToString()];
        var (_, page) = await RestFixture.AskAsync(rest.Connect(null), HttpMethod.Get, "/v1/events/page?since=0&group=g");
        Assert.Equal(wanted, page.GetProperty("events").EnumerateArray().Select(static e => e.GetProperty("subject").GetString()));
        Assert.Equal("g", page.GetProperty("events")[0].GetProperty("data").GetProperty("group").GetString());
        Assert.Equal(rest.Events.Stream.Last, page.GetProperty("next").GetInt64());

        using var watch = grpc.Connect().WatchEvents(new EventsSubscribeRequest { Since = 0, Group = "g" });
        foreach (var task in wanted)
        {
            Assert.True(await watch.ResponseStream.MoveNext(CancellationToken.None).WaitAsync(s_patience));
            Assert.Equal((task, "g"), (watch.ResponseStream.Current.Subject, watch.ResponseStream.Current.Data.Group));
        }
    }

    private static NodeEvent EndOf(string group, TaskId task) =>
        new EndedTask(task, Theirs, TaskKind.Call, 32, TaskState.Failed, new TaskCause(CauseType.Signal, 9)) { Group = group }.ToEvent();

    [Fact]
    public async Task Lines_of_cloud_events_come_over_rest_of_the_own_tenant_alone()
    {
        await using var fixture = await RestFixture.StartAsync();
        var client = fixture.Connect(null);
        using var answer = await client.GetAsync(new Uri("/v1/events?type=wayang.task", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        Assert.Equal("application/x-ndjson", answer.Content.Headers.ContentType!.MediaType);
        await using var body = await answer.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken);
        using var lines = new StreamReader(body);
        var task = new TaskId(0, 77);
        fixture.Events.Post(Ended(tenant: 3, task));
        fixture.Events.Post("wayang.node.started", EventSeverity.Info, EventData.Nothing);
        fixture.Events.Post(Ended(Theirs, task));
        string line;
        while ((line = (await LineAsync(lines))!).Length == 0)
        {
            // An empty line says that the stream lives.
        }

        var told = JsonDocument.Parse(line).RootElement;
        var sequence = told.GetProperty("sequence").GetString()!;
        Assert.Equal(
            ("1.0", sequence, "wayang.task.failed", task.ToString(), "warning", Theirs, "application/json"),
            (told.GetProperty("specversion").GetString(), told.GetProperty("id").GetString(), told.GetProperty("type").GetString(), told.GetProperty("subject").GetString(),
                told.GetProperty("severity").GetString(), told.GetProperty("tenant").GetInt32(), told.GetProperty("datacontenttype").GetString()));
        Assert.StartsWith("/wayang/", told.GetProperty("source").GetString(), StringComparison.Ordinal);
        var data = told.GetProperty("data");
        Assert.Equal(("failed", "signal", 9), (data.GetProperty("state").GetString(), data.GetProperty("cause").GetProperty("type").GetString(), data.GetProperty("cause").GetProperty("signal").GetInt32()));
        Assert.Equal(3, long.Parse(sequence, CultureInfo.InvariantCulture) - (fixture.Events.Stream.Last - 3));

        var (status, page) = await RestFixture.AskAsync(client, HttpMethod.Get, "/v1/events/page?since=0&wait_ms=1000");
        Assert.Equal((200, 1), (status, page.GetProperty("events").GetArrayLength()));
        Assert.Equal(fixture.Events.Stream.Last, page.GetProperty("next").GetInt64());
        (status, page) = await RestFixture.AskAsync(client, HttpMethod.Get, "/v1/events/page?tenant=3");
        Assert.Equal((403, "tenant"), (status, page.GetProperty("field").GetString()));
        (status, page) = await RestFixture.AskAsync(client, HttpMethod.Get, "/v1/events?severity=loud");
        Assert.Equal((400, "severity"), (status, page.GetProperty("field").GetString()));
        Assert.Empty(fixture.Defects);
    }

    [Fact]
    public async Task Server_sent_events_go_on_where_the_last_one_was_and_tell_what_is_gone()
    {
        await using var fixture = await RestFixture.StartAsync();
        var begin = fixture.Events.Stream.Last;
        for (var i = 0; i < 100; i++)
        {
            fixture.Events.Post(Ended(Theirs, new TaskId(0, (ulong)(i + 1))));
        }

        Assert.True(SpinWait.SpinUntil(() => fixture.Events.Stream.Last == begin + 100, s_patience));
        var client = fixture.Connect(null);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/events");
        request.Headers.Accept.ParseAdd("text/event-stream");
        request.Headers.Add("Last-Event-ID", (begin + 10).ToString(CultureInfo.InvariantCulture));
        using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        Assert.Equal("text/event-stream", answer.Content.Headers.ContentType!.MediaType);
        await using var body = await answer.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken);
        using var lines = new StreamReader(body);
        Assert.Equal(string.Create(CultureInfo.InvariantCulture, $"id: {begin + 36}"), await LineAsync(lines)); // 64 are in memory
        Assert.Equal("event: " + EventTypes.Gap, await LineAsync(lines));
        var gap = JsonDocument.Parse((await LineAsync(lines))!["data: ".Length..]).RootElement.GetProperty("data");
        Assert.Equal((begin + 11, begin + 36), (gap.GetProperty("from").GetInt64(), gap.GetProperty("to").GetInt64()));
        for (var i = 37; i <= 100; i++)
        {
            Assert.Equal("", await LineAsync(lines));
            Assert.Equal(string.Create(CultureInfo.InvariantCulture, $"id: {begin + i}"), await LineAsync(lines));
            await LineAsync(lines);
            await LineAsync(lines);
        }
    }

    [Fact]
    public async Task A_grpc_stream_is_watched_and_ends_with_the_node()
    {
        await using var fixture = await GrpcFixture.StartAsync(new TokenStore([ServerFixture.Token(GrpcFixture.Secret), ServerFixture.Token("wayang_run", "run", OperationScopes.Submit)]));
        var client = fixture.Connect();
        using var watched = client.WatchEvents(new EventsSubscribeRequest { Since = 0, Severity = "warning" });
        await watched.ResponseHeadersAsync;
        var task = new TaskId(0, 5);
        fixture.Events.Post("wayang.node.started", EventSeverity.Error, EventData.Nothing);
        fixture.Events.Post(Ended(Theirs, task));
        Assert.True(await watched.ResponseStream.MoveNext(TestContext.Current.CancellationToken));
        var told = watched.ResponseStream.Current;
        Assert.Equal(("wayang.task.failed", task.ToString(), "signal", 9, 2), (told.Type, told.Subject, told.Data.Cause.Type, told.Data.Cause.Signal, told.Data.Attempt));
        var page = await client.EventsListAsync(new EventsListRequest { Task = task.ToString() });
        Assert.Equal(told.Id, Assert.Single(page.Events).Id);
        Assert.Equal((StatusCode.PermissionDenied, "PERMISSION_DENIED", (string?)null), await GrpcFixture.RefusedAsync(
            async () => await fixture.Connect("wayang_run").WatchEvents(new EventsSubscribeRequest()).ResponseStream.MoveNext(TestContext.Current.CancellationToken)));
        Assert.Empty(fixture.Defects);
    }

    [Fact]
    public async Task Notifications_come_over_messagepack_and_a_later_subscription_takes_the_place()
    {
        using var desk = new EventDesk(64, null, TimeProvider.System);
        await using var fixture = new ServerFixture(o => o with { Events = desk.Stream });
        using var socket = fixture.Open();
        socket.Send(Subscribe(1, "type", "wayang.task.failed"));
        Assert.Contains("sequence", ServerFixture.ReadText(socket), StringComparison.Ordinal);
        desk.Post(Ended(Theirs, new TaskId(0, 5)));
        Assert.Contains("wayang.task.failed", ServerFixture.ReadText(socket), StringComparison.Ordinal);
        socket.Send(Subscribe(2, "task", new TaskId(0, 9).ToString()));
        Assert.Contains("sequence", ServerFixture.ReadText(socket), StringComparison.Ordinal);
        desk.Post(Ended(Theirs, new TaskId(0, 5)));
        desk.Post(Ended(Theirs, new TaskId(0, 9)));
        Assert.Contains(new TaskId(0, 9).ToString(), ServerFixture.ReadText(socket), StringComparison.Ordinal);
        Assert.Equal(0, socket.Available);

        await using var client = await fixture.ConnectAsync();
        var batch = await client.ListEventsAsync(new EventQuery { Wait = TimeSpan.FromSeconds(10) }, TestContext.Current.CancellationToken);
        Assert.Equal(3, batch.Events.Count);
        Assert.Equal((desk.Stream.Last, new TaskId(0, 9).ToString()), (batch.Next, batch.Events[2].Subject));
        var refused = await Assert.ThrowsAsync<WayangException>(() => client.ListEventsAsync(new EventQuery { Tenant = 1 }, TestContext.Current.CancellationToken));
        Assert.Equal((ErrorCode.PermissionDenied, "tenant"), (refused.Code, refused.Field));
    }

    [Fact]
    public async Task A_peer_that_reads_nothing_keeps_nobody_and_holds_no_more_than_its_bound()
    {
        using var desk = new EventDesk(64, null, TimeProvider.System);
        var bounds = 64 << 10;
        await using var fixture = new ServerFixture(o => o with { Events = desk.Stream, OutputPauseBytes = bounds, SendTimeout = TimeSpan.FromMinutes(10) });
        using var slow = fixture.Open();
        using var quick = fixture.Open();
        slow.ReceiveBufferSize = 4_096;
        slow.Send(Subscribe(1, "type", "wayang"));
        quick.Send(Subscribe(1, "type", "wayang"));
        ServerFixture.ReadText(quick);
        var begin = desk.Stream.Last;
        for (var i = 0; i < 6_000; i++)
        {
            desk.Post(Ended(Theirs, new TaskId(0, 5)));
            if (i % 16 == 15)
            {
                // As fast as the quick one reads, so that it misses none.
                var upTo = begin + i + 1;
                for (var k = 0; k < 16; k++)
                {
                    Assert.DoesNotContain(EventTypes.Gap, ServerFixture.ReadText(quick), StringComparison.Ordinal);
                }

                Assert.Equal(upTo, desk.Stream.Last);
            }
        }

        var text = string.Empty;
        var read = 0;
        while (!text.Contains(EventTypes.Gap, StringComparison.Ordinal))
        {
            text = ServerFixture.ReadText(slow);
            Assert.NotEqual("(end)", text);
            read++;
        }

        Assert.InRange(read, 2, 5_000);
    }

    private static NodeEvent Ended(int tenant, TaskId task) =>
        new EndedTask(task, tenant, TaskKind.Exec, 32, TaskState.Failed, new TaskCause(CauseType.Signal, 9)) { UnixMs = 1_700_000_000_000, Attempt = 2 }.ToEvent();

    private static async Task<string?> LineAsync(StreamReader lines) => await lines.ReadLineAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(s_patience);

    private static byte[] Subscribe(uint messageId, string key, string value)
    {
        using var buffer = new PooledBuffer(256);
        var writer = new MessagePackWriter(buffer);
        writer.WriteArrayHeader(4);
        writer.WriteUInt64(0);
        writer.WriteUInt64(messageId);
        writer.WriteString("events.subscribe");
        writer.WriteArrayHeader(1);
        writer.WriteMapHeader(1);
        writer.WriteString(key);
        writer.WriteString(value);
        writer.Commit();
        return buffer.WrittenSpan.ToArray();
    }
}
