using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Handover;

namespace Wayang.Fast.Execution.Tests;

/// <summary>A call that one node hands to another, message by message, as a wire may bring them.</summary>
[Trait("Promise", "PS2")]
[Trait("Promise", "PS4")]
public sealed class HandoverHostTests : CheckpointFixture
{
    private const string Home = "home";
    private const string Name = "hand-over";

    /// <summary>More than all that is done with a call while it runs takes on a machine that is busy.</summary>
    private const int Rounds = LongRounds * 16;

    private static readonly RuntimeOptions s_bare = new() { MaxWorkersPerPool = 1, SpareWorkers = 0 };

    [Fact]
    public async Task A_call_goes_there_and_home_again_on_connections_of_its_own()
    {
        using var home = await StartAsync(s_bare);
        using var host = await StartHostAsync();
        var wanted = (await Submit(home, Resolve(home, "chain"), Rounds).WaitAsync()).Output;
        var (call, what) = await BeginAsync(home);
        var visits = host.Runtime.Visits;
        Assert.Null(await visits.OfferAsync(OfferOf(call, what)));
        using (var there = new ConnectedStreams())
        {
            var carrying = await OpenAsync(host, there, CallDirection.ToHost);
            using var second = new ConnectedStreams();
            Assert.Equal(CallWordKind.Refused, (await AnswerAsync(host, second, CallDirection.ToHost)).Kind); // it comes once
            using var departing = home.Runtime.Departures.WriteDown(call.Id, there.Near);
            var (whole, refusal) = await departing.Whole;
            Assert.True(whole is not null, refusal?.Message);
            Assert.Null(await departing.Kept);
            await carrying;
        }

        Assert.Null(await home.Runtime.Departures.LeaveAsync(call.Id, new TaskStay("host", Name, static _ => { })));
        var (news, unknown) = await visits.CommitAsync(Home, Name, TestContext.Current.CancellationToken);
        Assert.True(news is not null, unknown?.Message);
        Assert.Equal(VisitState.Begun, news.State); // the answer says that it goes on, and since when
        Assert.NotEqual(TimeSpan.Zero, news.GoesOnFor);

        using (var back = new ConnectedStreams())
        {
            _ = await OpenAsync(host, back, CallDirection.ToHome);
            using var arriving = home.Runtime.Departures.Receive(call.Id, back.Near, awaiting: null);
            Assert.Null(await visits.RecallAsync(Home, Name));
            (news, _) = await visits.WatchAsync(Home, Name, -1, TestNode.Patience, TestContext.Current.CancellationToken);
            Assert.Equal((VisitState.Returned, await arriving.Whole), (news!.State, news.FileBytes));
        }

        // Once more, as of a connection that had broken: of its file.
        using var again = new ConnectedStreams();
        _ = await OpenAsync(host, again, CallDirection.ToHome);
        using var came = home.Runtime.Departures.Receive(call.Id, again.Near, awaiting: null);
        Assert.Equal(news.FileBytes, await came.Whole);
        Assert.Null(await home.Runtime.Departures.ComeBackAsync(call.Id, Name, came, failure: null, hasBegun: true));
        Assert.Null(visits.Release(Home, Name));
        await home.Runtime.Departures.ResumeAsync(call.Id);
        await call.WaitAsync();
        Assert.Equal((TaskState.Succeeded, 1), (call.State, call.Times));
        Assert.Equal(wanted, call.Output);
    }

    [Fact]
    public async Task Connections_of_nobody_and_of_no_hand_over_are_told_so_or_ended()
    {
        using var host = await StartHostAsync();
        using var unknown = new ConnectedStreams();
        var word = await AnswerAsync(host, unknown, CallDirection.ToHost);
        Assert.Equal((CallWordKind.Refused, ErrorCode.NotFound), (word.Kind, word.Refusal!.Code));
        foreach (var preface in (byte[][])[[9, 1, 65], [1, 0], [1, 97]])
        {
            using var nonsense = new ConnectedStreams();
            nonsense.Near.Write(preface);
            await host.Runtime.Visits.CarryAsync(Home, nonsense.Far, TestContext.Current.CancellationToken).WaitAsync(TestNode.Patience, TestContext.Current.CancellationToken);
        }

        using var silent = new ConnectedStreams();
        using var patience = new CancellationTokenSource();
        var waiting = host.Runtime.Visits.CarryAsync(Home, silent.Far, patience.Token);
        Assert.False(waiting.IsCompleted);
        await patience.CancelAsync();
        await waiting.WaitAsync(TestNode.Patience, TestContext.Current.CancellationToken);
    }

    /// <summary>What is let go while it comes leaves nothing, and its home is told.</summary>
    [Fact]
    public async Task A_call_that_is_let_go_while_it_comes_is_gone()
    {
        using var home = await StartAsync(s_bare);
        using var host = await StartHostAsync();
        var (call, what) = await BeginAsync(home);
        Assert.Null(await host.Runtime.Visits.OfferAsync(OfferOf(call, what)));
        using var there = new ConnectedStreams();
        var carrying = await OpenAsync(host, there, CallDirection.ToHost);
        there.Near.Write([1, 0, 0]); // a part of a head
        Assert.Null(host.Runtime.Visits.Release(Home, Name));
        await carrying.WaitAsync(TestNode.Patience, TestContext.Current.CancellationToken);
        await TestNode.UntilAsync(() => host.Statistic("workers_live") == 0, "its worker has ended");
        using (var departing = home.Runtime.Departures.WriteDown(call.Id, there.Near))
        {
            Assert.NotNull((await departing.Whole).File); // it stands in its file at home
            Assert.Equal(ErrorCode.Unavailable, (await departing.Kept)!.Code);
        }

        Assert.Null(home.Tasks.Cancel(call.Id, 0));
        await call.WaitAsync();
    }

    [Fact]
    public async Task A_worker_is_ready_before_its_call_stands_still_and_ends_if_that_does_not_come()
    {
        using var home = await StartAsync(s_bare);
        using var host = await StartHostAsync();
        var (call, what) = await BeginAsync(home);
        Assert.Null(await host.Runtime.Visits.OfferAsync(OfferOf(call, what)));
        Assert.Equal((1, 1), (host.Statistic("workers_started"), host.Statistic("workers_live")));
        Assert.Equal(TaskState.Running, home.StateOf(call));
        Assert.Null(host.Runtime.Visits.Release(Home, Name));
        await TestNode.UntilAsync(() => host.Statistic("workers_live") == 0, "it has ended");
        Assert.Null(home.Tasks.Cancel(call.Id, 0));
        await call.WaitAsync();
    }

    [Fact]
    public async Task A_shape_that_is_none_is_refused()
    {
        using var home = await StartAsync(s_bare);
        using var host = await StartHostAsync();
        var (call, what) = await BeginAsync(home);
        var refusal = await host.Runtime.Visits.OfferAsync(OfferOf(call, what) with { Shape = [1, 2, 3] });
        Assert.Equal(ErrorCode.InvalidArgument, refusal!.Code);
        Assert.Equal(0, host.Statistic("workers_started"));
        Assert.Null(home.Tasks.Cancel(call.Id, 0));
        await call.WaitAsync();
    }

    /// <summary>To take its memory away costs as much time as to write it, which the call would stand still for.</summary>
    [Fact]
    public async Task The_worker_that_a_call_left_is_taken_down_when_its_file_is_let_go()
    {
        using var home = await StartAsync(s_bare);
        var (call, _) = await BeginAsync(home);
        using var there = new ConnectedStreams();
        var taking = Task.Run(() => new CallReceiver(there.Far).ReadAll(static (_, _) => true), TestContext.Current.CancellationToken);
        using (var file = home.Runtime.Departures.WriteDown(call.Id, there.Near))
        {
            Assert.NotNull((await file.Whole).File);
            await taking;
            await RunCommandAsync(home); // dispatched, started and told behind whatever was to happen to the worker
            Assert.Equal(1, home.Statistic("workers_live"));
        }

        await TestNode.UntilAsync(() => home.Statistic("workers_live") == 0, "it is gone");
        Assert.Null(home.Tasks.Cancel(call.Id, 0));
        await call.WaitAsync();
        await AssertCleanAsync(home);
    }

    private static async Task RunCommandAsync(TestNode node)
    {
        var ending = new Ending();
        Assert.Null(node.Tasks.Submit(new TaskSubmission { Target = node.ResolveCommand(), Level = 32, Command = new CommandLine(["/bin/sh", "-c", "exit 0"], [], null) }, ending, 0, out _));
        await ending.WaitAsync();
        Assert.Equal(TaskState.Succeeded, ending.State);
    }

    private async Task<TestNode> StartHostAsync()
    {
        var node = new TestNode(s_bare with { MigratesCompute = true, CheckpointDirectory = Path.Combine(CheckpointDirectory, "host") });
        await PutChainsAsync(node);
        return node;
    }

    private static async Task<(Ending Call, DepartingCall What)> BeginAsync(TestNode home)
    {
        var call = Submit(home, Resolve(home, "chain"), Rounds);
        await home.RunsAsync(call);
        Assert.Null(home.Runtime.Departures.Describe(call.Id, 0, out var what));
        Assert.False(what!.Shape.IsEmpty);
        return (call, what);
    }

    private static VisitOffer OfferOf(Ending call, DepartingCall what) => new(Home, "boot", Name, call.Id, what.Tenant, what.Spec.ToArray(), what.Shape.ToArray());

    /// <returns>Completes when the host has nothing more to say on it.</returns>
    private static async Task<Task> OpenAsync(TestNode host, ConnectedStreams between, CallDirection direction)
    {
        var carrying = host.Runtime.Visits.CarryAsync(Home, between.Far, TestContext.Current.CancellationToken);
        between.Near.Write(CallStream.Preface(direction, Name));
        Assert.Equal(CallWordKind.Ready, (await CallWord.ReadAsync(between.Near, TestContext.Current.CancellationToken)).Kind);
        return carrying;
    }

    private static async Task<CallWord> AnswerAsync(TestNode host, ConnectedStreams between, CallDirection direction)
    {
        between.Near.Write(CallStream.Preface(direction, Name));
        var carrying = host.Runtime.Visits.CarryAsync(Home, between.Far, TestContext.Current.CancellationToken);
        var word = await CallWord.ReadAsync(between.Near, TestContext.Current.CancellationToken);
        between.Near.Dispose();
        await carrying.WaitAsync(TestNode.Patience, TestContext.Current.CancellationToken);
        return word;
    }
}
