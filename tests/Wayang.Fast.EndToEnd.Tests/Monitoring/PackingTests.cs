using System.Globalization;
using System.Runtime.Versioning;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Monitoring;

/// <summary>What a <c>wayang serve</c> learns of its tasks' memory, with tasks that use some.</summary>
[Trait("Promise", "RA2")]
[Collection("runtimes")]
[SupportedOSPlatform("linux")]
public sealed class PackingTests(ITestOutputHelper output) : IDisposable
{
    private const long Mebibyte = 1 << 20;
    private const long Declared = 160 * Mebibyte;
    private const int Fit = 4; // as declared
    private const int Many = 3 * Fit;
    private const int Samples = 6;
    private const string Fill = "b = b'x' * (28 << 20); print('full', flush=True)";

    private readonly string _scratch = Directory.CreateDirectory(Path.Combine("/var/tmp", $"wayang-packing-{Path.GetRandomFileName()}")).FullName;

    public void Dispose() => Directory.Delete(_scratch, recursive: true);

    /// <summary>Some 37 MiB are used and 160 declared: first as many run as the declared figure lets, after learning at least twice as many, and none of them runs out.</summary>
    [Fact]
    public async Task Declared_four_times_too_high_twice_as_many_run_after_learning_and_none_runs_out()
    {
        await using var serve = await ServedRuntime.StartAsync(Account.Root, _scratch, string.Create(CultureInfo.InvariantCulture, $$"""
            http_port: 0
            memory: {node_bytes: {{Fit * Declared / Mebibyte}}MiB}
            prediction: {min_samples: {{Samples}}}
            workers: {max_per_pool: {{2 * Many}}}
            """));
        await using var client = await serve.ConnectAsync();
        var node = await client.NodeInfoAsync(TestContext.Current.CancellationToken);
        Assert.SkipUnless(node.Features.Contains("MemoryGroup"), "this host has no memory group: peak memory is not measured");

        var before = await HoldAsync(client, Fit + 1, Fit, async waiting =>
            Assert.Contains("memory", (await client.ExplainAsync(waiting, TestContext.Current.CancellationToken)).Text, StringComparison.Ordinal));
        for (var i = 0; i < Samples; i++)
        {
            var end = await client.RunAsync(Spec(Fill), cancellation: TestContext.Current.CancellationToken);
            Assert.True(end is { State: TaskState.Succeeded } && end.PeakMemoryBytes * 4 < Declared, $"{end}");
        }

        var after = await HoldAsync(client, Many, 2 * Fit, static _ => Task.CompletedTask);
        output.WriteLine($"{before} at once as declared, {after} after {Samples} of them ended");
        Assert.True(before == Fit && after >= 2 * before, $"{before} before, {after} after");
    }

    /// <summary>The first runs out and is tried again with more, the next of its kind has more from the start; who did not ask for it keeps the limit that was given.</summary>
    [Fact]
    public async Task Declared_too_low_it_is_tried_again_with_more_and_the_next_has_more_at_once()
    {
        await using var serve = await ServedRuntime.StartAsync(Account.Root, _scratch, "http_port: 0\n");
        await using var client = await serve.ConnectAsync();
        var node = await client.NodeInfoAsync(TestContext.Current.CancellationToken);
        Assert.SkipUnless(node.Features.Contains("MemoryGroup"), "this host has no memory group: nothing runs out");
        var asked = TaskSpec.Command("/usr/bin/python3", "-c", "b = b'x' * (50 << 20)") with
        {
            Limits = new TaskLimits { MemoryBytes = 48 * Mebibyte }, // half as much again is enough
            Retry = new RetrySpec(2) { Backoff = TimeSpan.FromMilliseconds(1), On = [CauseType.OutOfMemory] },
        };
        foreach (var attempts in new[] { 2, 1 })
        {
            var id = await client.SubmitAsync(asked, TestContext.Current.CancellationToken);
            var end = await client.WaitAsync(id, cancellation: TestContext.Current.CancellationToken);
            var told = await client.GetAsync(id, TestContext.Current.CancellationToken);
            Assert.True(end.Succeeded && told.Life?.Attempt == attempts, $"{attempts} wanted: {end}, {told.Life}");
            Assert.All(told.Life!.Attempts, static before => Assert.Equal(CauseType.OutOfMemory, before.Cause.Type));
            Assert.Contains("ran out of memory", (await client.ExplainAsync(id, TestContext.Current.CancellationToken)).Text, StringComparison.Ordinal);
        }

        var kept = await client.RunAsync(asked with { Retry = null }, cancellation: TestContext.Current.CancellationToken);
        Assert.Equal(CauseType.OutOfMemory, kept.Cause.Type);
    }

    private static TaskSpec Spec(string script) =>
        TaskSpec.Command("/usr/bin/python3", "-c", script) with { Limits = new TaskLimits { MemoryBytes = Declared } };

    /// <summary>Submits so many, waits until <paramref name="wanted"/> hold their memory at once, and lets all go: nothing but that ends them.</summary>
    /// <returns>How many held it then.</returns>
    private static async Task<int> HoldAsync(WayangClient client, int count, int wanted, Func<TaskId, Task> lookAtOneThatWaits)
    {
        var ids = new List<TaskId>();
        for (var i = 0; i < count; i++)
        {
            ids.Add(await client.SubmitAsync(Spec(Fill + "; import time; time.sleep(3600)"), TestContext.Current.CancellationToken));
        }

        var holding = 0;
        await Eventually.ValueAsync($"{wanted} hold their memory", async () => (holding = (await TellAsync()).Count(static t => t is { State: TaskState.Running, StdoutBytes: 5 })) >= wanted ? "" : null);
        if ((await TellAsync()).Find(static t => t.State == TaskState.Queued) is { } waiting)
        {
            await lookAtOneThatWaits(waiting.Id);
        }

        foreach (var id in ids)
        {
            await client.CancelAsync(id, TestContext.Current.CancellationToken);
            var end = await client.WaitAsync(id, cancellation: TestContext.Current.CancellationToken);
            Assert.True(end.State == TaskState.Cancelled, $"{end}");
        }

        return holding;

        async Task<List<TaskInfo>> TellAsync()
        {
            var told = new List<TaskInfo>();
            foreach (var id in ids)
            {
                told.Add(await client.GetAsync(id, TestContext.Current.CancellationToken));
            }

            return told;
        }
    }
}
