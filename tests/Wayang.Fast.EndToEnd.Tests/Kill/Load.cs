using System.Globalization;
using System.Text;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Kill;

/// <summary>A thousand tasks of both kinds whose answers are known.</summary>
internal sealed class Load
{
    public const int Tasks = 1000;

    private const int CommandEvery = 5;
    private const int CallMicroseconds = 8000;

    // Results cross a connection of bounded frames; a batch of this size is a few 10 KiB.
    private const int Batch = 250;

    private readonly List<(TaskId Id, string Answer)> _tasks = [];

    public IReadOnlyList<TaskId> Ids => [.. _tasks.Select(static t => t.Id)];

    public static async Task<string> PutImageAsync(WayangClient client) =>
        (await client.PutImageAsync("c", await File.ReadAllBytesAsync(Fixture.Installation.SlowPlugin))).Image;

    public static async Task<Load> SubmitAsync(WayangClient client, string image, RetrySpec? retry = null)
    {
        var load = new Load();
        foreach (var batch in Enumerable.Range(0, Tasks).Chunk(Batch))
        {
            var specs = batch.Select(n => (Spec: Spec(image, n, out var answer), Answer: answer)).ToList();
            var outcomes = await client.SubmitManyAsync([.. specs.Select(s => s.Spec with { Retry = retry })]);
            Assert.All(outcomes, static o => Assert.Null(o.Error));
            load._tasks.AddRange(outcomes.Zip(specs, static (o, s) => (o.Id, s.Answer)));
        }

        Assert.Equal(Tasks, load._tasks.Select(static t => t.Id).Distinct().Count());
        return load;
    }

    /// <summary>Returns when some have ended and most are still under way.</summary>
    public static Task UnderWayAsync(WayangClient client) => Fixture.Eventually.ValueAsync("tasks are under way", async () =>
        (await client.NodeStatsAsync())["tasks_succeeded"] >= Tasks / 20 ? "" : null);

    /// <summary>
    /// Waits for the ends. Those that succeeded have the right answer, the others the returned causes; a second look at each task
    /// finds the same end.
    /// </summary>
    public async Task<List<TaskResult>> EndsAsync(WayangClient client)
    {
        using var patience = new CancellationTokenSource(2 * Fixture.Eventually.Patience);
        var results = await Task.WhenAll(_tasks.Select(t => client.WaitAsync(t.Id, cancellation: patience.Token)));
        foreach (var (result, task) in results.Zip(_tasks))
        {
            Assert.Equal(task.Id, result.Id);
            if (result.Succeeded)
            {
                Assert.Equal(task.Answer, Encoding.ASCII.GetString(result.Output.Length > 0 ? result.Output.Span : result.Stdout.Span));
            }
        }

        var again = await Task.WhenAll(_tasks.Select(t => client.GetAsync(t.Id, patience.Token)));
        Assert.All(results.Zip(again), static pair => Assert.Equal((pair.First.State, pair.First.Cause), (pair.Second.State, pair.Second.Cause)));
        return [.. results.Where(static r => !r.Succeeded)];
    }

    /// <summary>The lifecycle counted each end once: as many ends as tasks, of this load and all before.</summary>
    public static async Task AssertEndsCountedOnceAsync(WayangClient client, int submitted)
    {
        var stats = await client.NodeStatsAsync();
        Assert.Equal(submitted, Enum.GetValues<TaskState>().Where(static s => s >= TaskState.Succeeded)
            .Sum(s => stats[string.Create(CultureInfo.InvariantCulture, $"tasks_{s.ToString().ToLowerInvariant()}")]));
    }

    /// <summary>A call and a command of the moment: the node serves.</summary>
    public static async Task AssertServesAsync(WayangClient client, string image)
    {
        var call = await client.RunCallAsync(image, "slow_echo", "0 again"u8.ToArray());
        Assert.True(call.Succeeded, $"{call.State} {call.Cause}");
        Assert.Equal("0 again", Encoding.ASCII.GetString(call.Output.Span));
        var command = await client.RunCommandAsync(["/bin/echo", "again"]);
        Assert.True(command.Succeeded, $"{command.State} {command.Cause}");
        Assert.Equal("again\n", Encoding.ASCII.GetString(command.Stdout.Span));
    }

    /// <summary>
    /// Pending <c>task.run</c> calls of this connection, and how each ended: with its task's cause, or with the loss of the node.
    /// </summary>
    public static async Task<List<CauseType>> RunPendingAsync(WayangClient client, string image, int count, Action onSent)
    {
        var pending = Enumerable.Range(0, count).Select(n => client.RunAsync(Spec(image, n, out _))).ToList();
        onSent();
        var ends = new List<CauseType>(count);
        foreach (var call in pending)
        {
            try
            {
                ends.Add((await call.WaitAsync(Fixture.Eventually.Patience)).Cause.Type);
            }
            catch (WayangException lost) when (lost.Code == ErrorCode.NodeLost)
            {
                ends.Add(CauseType.NodeLost);
            }
            catch (WayangException stopping) when (stopping.Code == ErrorCode.Unavailable)
            {
                ends.Add(CauseType.Shutdown); // it came too late to become a task
            }
        }

        return ends;
    }

    private static TaskSpec Spec(string image, int number, out string answer)
    {
        var text = string.Create(CultureInfo.InvariantCulture, $"{CallMicroseconds} number {number}");
        if (number % CommandEvery == 0)
        {
            answer = text + "\n";
            return TaskSpec.Command("/bin/echo", text);
        }

        answer = text;
        return TaskSpec.Call(image, "slow_echo", Encoding.ASCII.GetBytes(text));
    }
}
