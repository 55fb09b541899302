using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Execution.Tests;

/// <summary>A call that one node hands to another, message by message, as a wire may bring them.</summary>
[Trait("Promise", "PS2")]
[Trait("Promise", "PS4")]
public sealed class HandoverHostTests : CheckpointFixture
{
    private const string Home = "home";
    private const string Name = "hand-over";

    private static readonly RuntimeOptions s_bare = new() { MaxWorkersPerPool = 1, SpareWorkers = 0 };

    [Fact]
    public async Task Pieces_that_overtake_each_other_are_put_in_order_and_the_words_behind_them_wait()
    {
        using var home = await StartAsync(s_bare);
        using var host = await StartHostAsync();
        var wanted = (await Submit(home, Resolve(home, "chain"), LongRounds * 4).WaitAsync()).Output;
        var (call, what) = await BeginAsync(home);
        Assert.Null(await host.Runtime.Visits.OfferAsync(OfferOf(call, what)));
        using var file = home.Runtime.Departures.WriteDown(call.Id);
        var (whole, refusal) = await file.Whole;
        Assert.True(whole is not null, refusal?.Message);
        ReadOnlyMemory<byte> bytes = await File.ReadAllBytesAsync(whole.Path, TestContext.Current.CancellationToken);
        var third = bytes.Length / 3;

        var visits = host.Runtime.Visits;
        var prepared = visits.PrepareAsync(Home, Name, bytes.Length);
        var last = visits.TakeAsync(Home, Name, 2 * third, bytes[(2 * third)..], default);
        var middle = visits.TakeAsync(Home, Name, third, bytes[third..(2 * third)], default);
        Assert.False(prepared.IsCompleted || last.IsCompleted || middle.IsCompleted);
        Assert.Equal("offset", (await visits.TakeAsync(Home, Name, long.MaxValue, bytes[..third], whole.Key))!.Field); // no file is so long
        Assert.Null(await visits.TakeAsync(Home, Name, 0, bytes[..third], whole.Key));
        Assert.All(await Task.WhenAll(middle, last, prepared), Assert.Null);
        Assert.Null(await visits.TakeAsync(Home, Name, third, bytes[third..(2 * third)], default)); // again, which is nothing

        Assert.Null(await home.Runtime.Departures.LeaveAsync(call.Id, new TaskStay("host", Name, static _ => { })));
        var (news, unknown) = await visits.CommitAsync(Home, Name, TestContext.Current.CancellationToken);
        Assert.True(news is not null, unknown?.Message);
        Assert.InRange(news.State, VisitState.Begun, VisitState.Ended); // the answer says that it goes on, and since when
        Assert.NotEqual(TimeSpan.Zero, news.GoesOnFor);
        Assert.Equal(wanted, await EndAsync(home, host, call));
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
        using (var file = home.Runtime.Departures.WriteDown(call.Id))
        {
            Assert.NotNull((await file.Whole).File);
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
        var call = Submit(home, Resolve(home, "chain"), LongRounds * 4);
        await home.RunsAsync(call);
        Assert.Null(home.Runtime.Departures.Describe(call.Id, 0, out var what));
        Assert.False(what!.Shape.IsEmpty);
        return (call, what);
    }

    private static VisitOffer OfferOf(Ending call, DepartingCall what) => new(Home, "boot", Name, call.Id, what.Tenant, what.Spec.ToArray(), what.Shape.ToArray());

    /// <summary>Its end at the host, told at home.</summary>
    private static async Task<byte[]> EndAsync(TestNode home, TestNode host, Ending call)
    {
        for (long known = -1; ;)
        {
            var (news, _) = await host.Runtime.Visits.WatchAsync(Home, Name, known, TestNode.Patience, TestContext.Current.CancellationToken);
            known = news!.Number;
            if (news.State == VisitState.Ended)
            {
                var (piece, _) = await host.Runtime.Visits.ReadAsync(Home, Name, VisitPart.Output, 0, TestContext.Current.CancellationToken);
                Assert.Null(await home.Runtime.Departures.EndAsync(call.Id, Name, news.End!, piece!.Data));
                await call.WaitAsync();
                Assert.Equal((TaskState.Succeeded, 1), (call.State, call.Times));
                return call.Output;
            }
        }
    }
}
