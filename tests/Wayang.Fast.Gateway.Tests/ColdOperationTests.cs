using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Xunit;

namespace Wayang.Fast.Gateway.Tests;

/// <summary>However many cold operations block, hot ones answer: they share no thread.</summary>
[Trait("Promise", "PO4")]
public sealed class ColdOperationTests
{
    private const int Blocked = 200;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Hot_operations_answer_while_every_cold_thread_is_blocked()
    {
        await using var fixture = new ServerFixture();
        await using var client = await fixture.ConnectAsync();
        await using var other = await fixture.ConnectAsync();
        using var release = new ManualResetEventSlim();
        using var entered = new CountdownEvent(fixture.Options.MaxColdThreads);
        fixture.Tasks.OnGet = () =>
        {
            if (!entered.IsSet)
            {
                entered.Signal();
            }

            release.Wait(Patience);
        };
        var id = await client.SubmitAsync(Contracts.Operations.TaskSpec.Call("demo", "forever"));
        var cold = Enumerable.Range(0, Blocked).Select(_ => client.GetAsync(id)).ToList();
        Assert.True(await Task.Run(() => entered.Wait(Patience)), "the cold operations did not begin");

        // A thread pool whose threads were taken would start one or two a second: this many would take minutes.
        for (var i = 0; i < 500; i++)
        {
            Assert.True((await client.RunCallAsync("demo", "echo_later").WaitAsync(Patience)).Succeeded);
            Assert.True((await other.RunCallAsync("demo", "echo", new byte[300_000]).WaitAsync(Patience)).Succeeded);
        }

        Assert.DoesNotContain(cold, static c => c.IsCompleted);
        release.Set();
        fixture.Tasks.OnGet = null;
        Assert.All(await Task.WhenAll(cold), info => Assert.Equal((id, TaskState.Running), (info.Id, info.State)));
        await client.CancelAsync(id);
    }

    [Fact]
    public async Task Operators_questions_are_refused_where_no_monitor_is()
    {
        await using var fixture = new ServerFixture();
        await using var client = await fixture.ConnectAsync();
        var refusal = await Assert.ThrowsAsync<WayangException>(() => client.ListPoolsAsync());
        Assert.Equal(ErrorCode.Unsupported, refusal.Code);
    }
}
