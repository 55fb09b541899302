using System.Globalization;
using System.Runtime.Versioning;
using System.Text;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Kill;

/// <summary>What durable calls save is there after the daemon was killed, or ended in order.</summary>
[Collection("runtimes")]
[SupportedOSPlatform("linux")]
[Trait("Promise", "TR4")]
public sealed class StateKillTests : DaemonKillTest
{
    private const int Bound = 300_000;

    [Fact(Timeout = Bound)]
    public async Task After_a_kill_the_next_attempt_begins_from_what_was_stored()
    {
        await PrepareAsync();
        await using var serve = await StartAsync();
        TaskId id;
        await using (var client = await ConnectAsync(serve))
        {
            await client.PutImageAsync("c", Plugins.Good, "good");
            id = await client.SubmitAsync(TaskSpec.Call("good", "save_and_wait", "0"u8.ToArray()) with { Durable = true, Retry = new RetrySpec(3) }, TestContext.Current.CancellationToken);
            await Eventually.ValueAsync("its state is stored", async () => (await client.ListEventsAsync(new EventQuery { Type = "wayang.task.saved" }, TestContext.Current.CancellationToken)).Events is [var first, ..] ? first : null);
        }

        var daemon = DaemonOf(serve);
        Signals.Kill(daemon);
        await AwaitNextAsync(serve, daemon);
        await using var next = await ConnectAsync(serve);
        var end = await next.WaitAsync(id, cancellation: TestContext.Current.CancellationToken);
        Assert.Equal((TaskState.Succeeded, 8), (end.State, end.Output.Length)); // a first attempt would still wait
        Assert.Equal(2, (await next.GetAsync(id, TestContext.Current.CancellationToken)).Life!.Attempt);
        await EndAsync(serve);
        Directory.Delete(State, recursive: true);
    }

    /// <summary>The keeper gives the end a few seconds: one in which a call could not answer proves nothing.</summary>
    [Fact(Timeout = Bound)]
    public async Task Before_an_ordered_end_a_call_yields_and_goes_on_after_the_next_start()
    {
        await PrepareAsync();
        for (var trial = 1; ; trial++)
        {
            TaskId id;
            await using (var serve = await StartAsync())
            {
                await using (var client = await ConnectAsync(serve))
                {
                    await client.PutImageAsync("c", Plugins.Good, "good");
                    id = await client.SubmitAsync(
                        TaskSpec.Call("good", "yield_late", "now"u8.ToArray()) with { Durable = true, Migration = TaskMigration.Cooperative }, TestContext.Current.CancellationToken);
                    await Eventually.ValueAsync("it runs", async () => await client.GetAsync(id, TestContext.Current.CancellationToken) is { State: TaskState.Running } runs ? runs : null);
                }

                await EndAsync(serve);
            }

            await using var again = await StartAsync();
            await using var later = await ConnectAsync(again);
            var end = await later.WaitAsync(id, cancellation: TestContext.Current.CancellationToken);
            await EndAsync(again);
            if (end.State == TaskState.Succeeded || trial == 3)
            {
                Assert.Equal((TaskState.Succeeded, "late"), (end.State, Encoding.ASCII.GetString(end.Output.Span)));
                break;
            }
        }

        Directory.Delete(State, recursive: true);
    }

    private async Task PrepareAsync()
    {
        await GiveStateToDaemonAsync();
        Configure(string.Create(CultureInfo.InvariantCulture, $"http_port: 0\nstate:\n  directory: {State}\n"));
    }
}
