using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Execution.Tests;

/// <summary>Commands that save a state in a file: asked by a signal they end with a code, wait, and find the file again.</summary>
[Trait("Promise", "RA4")]
public sealed class CooperativeCommandTests
{
    /// <summary>Counts without end in a first attempt; the attempt that finds a state says it.</summary>
    private const string Counts =
        """
        if [ -e "$WAYANG_STATE_FILE" ]; then echo "from $(cat "$WAYANG_STATE_FILE")"; exit 0; fi
        n=0
        trap 'echo "$n" > "$WAYANG_STATE_FILE"; exit 75' USR1
        echo ready
        while :; do n=$((n + 1)); done
        """;

    [Fact]
    public async Task One_that_is_asked_saves_gives_its_place_back_and_goes_on()
    {
        using var node = new TestNode();
        var task = Begin(node, Counts);
        await ReadyAsync(node, task);
        Assert.Null(await CheckpointAsync(node, task));
        var waiting = Get(node, task);
        Assert.Equal((TaskState.Queued, true, 2), (waiting.State, waiting.Life!.Paused, waiting.Life.Attempt));
        Assert.NotEqual(0, waiting.Life.Saved!.Bytes);
        await TestNode.UntilAsync(() => node.Statistic("slots_in_use") == 0, "its place is free");
        Assert.Null(await node.Runtime.Life.ResumeAsync(task.Id, 0));
        await task.WaitAsync();
        Assert.Equal((TaskState.Succeeded, 1), (task.State, task.Times));
        Assert.Matches("^from [0-9]+\n$", task.Stdout);
        Assert.Null(Get(node, task).Artifacts); // none were asked for
        await TestNode.UntilAsync(() => node.Statistic("states_bytes") == 0, "no state is kept");
    }

    /// <summary>With files of its own, which have their own bounds.</summary>
    [Fact]
    public async Task Its_artifacts_are_its_own_and_the_state_is_none_of_them()
    {
        using var node = new TestNode();
        var bounds = new ArtifactBounds(1, 10);
        var task = Begin(node, """echo state > "$WAYANG_STATE_FILE"; echo one > out/one; echo two > out/two; exit 0""", new TaskTerms { Artifacts = bounds });
        await task.WaitAsync();
        var artifacts = Get(node, task).Artifacts!;
        Assert.Equal((1, 1, (string?)null), (artifacts.Files.Count, artifacts.LeftOut, artifacts.Problem));
        Assert.StartsWith("out", "out/" + artifacts.Files[0].Name, StringComparison.Ordinal);
        Assert.Contains(artifacts.Files[0].Name, (string[])["one", "two"]);

        var both = Begin(node, """echo one > out/one; echo two > out/two; exit 0""", new TaskTerms { Artifacts = bounds });
        await both.WaitAsync(); // there is room for a state that did not come: not for a file
        Assert.Equal((1, 1), (Get(node, both).Artifacts!.Files.Count, Get(node, both).Artifacts!.LeftOut));
    }

    [Fact]
    public async Task A_failed_attempt_leaves_its_state_to_the_next()
    {
        using var node = new TestNode();
        var retry = new RetryTerms(5, TimeSpan.Zero, TimeSpan.Zero, 100, 0, RetryTerms.AllRetryable);
        var task = Begin(node, """n=$(cat "$WAYANG_STATE_FILE" 2>&- || echo 0); n=$((n + 1)); echo $n > "$WAYANG_STATE_FILE"; [ $n -ge 3 ] && echo "in $n"; [ $n -ge 3 ]""", new TaskTerms { Retry = retry });
        await task.WaitAsync();
        Assert.Equal((TaskState.Succeeded, "in 3\n"), (task.State, task.Stdout));
        Assert.Equal(3, Get(node, task).Life!.Attempt);
    }

    /// <summary>Its exit code means what it meant unless it was asked, and it may do with the signal what it likes.</summary>
    [Fact]
    public async Task One_that_ends_unasked_has_ended_and_one_that_does_not_answer_goes_on()
    {
        using var node = new TestNode(new RuntimeOptions { YieldMs = 100 });
        var unasked = await Begin(node, "exit 75").WaitAsync();
        Assert.Equal((TaskState.Failed, 75), (unasked.State, unasked.Cause.Value));
        var deaf = Begin(node, "trap '' USR1; echo ready; while :; do :; done");
        await ReadyAsync(node, deaf);
        Assert.Equal(ErrorCode.Conflict, (await CheckpointAsync(node, deaf))!.Code);
        Assert.Equal(TaskState.Running, node.StateOf(deaf));
        Assert.Null(node.Tasks.Cancel(deaf.Id, 0));
        Assert.Equal(TaskState.Cancelled, (await deaf.WaitAsync()).State);
        var plain = Submit(node, "echo ready; while :; do :; done", new TaskTerms { Group = "g" });
        await ReadyAsync(node, plain);
        Assert.Contains("migration: cooperative", (await CheckpointAsync(node, plain))!.Message, StringComparison.Ordinal);
        Assert.Null(node.Tasks.Cancel(plain.Id, 0));
        await plain.WaitAsync();
    }

    [Fact]
    public async Task A_state_over_its_bound_is_not_kept()
    {
        using var node = new TestNode(new RuntimeOptions { MaxStateBytes = 1_024 });
        var task = Begin(node, """trap 'head -c 1025 /dev/zero > "$WAYANG_STATE_FILE"; exit 75' USR1; [ -e out/again ]; echo ready; while :; do :; done""");
        await ReadyAsync(node, task);
        Assert.Null(await CheckpointAsync(node, task));
        Assert.Null(Get(node, task).Life!.Saved);
        Assert.Null(node.Tasks.Cancel(task.Id, 0));
        Assert.Equal(TaskState.Cancelled, (await task.WaitAsync()).State);
    }

    private static Ending Begin(TestNode node, string script, TaskTerms? terms = null) =>
        Submit(node, script, (terms ?? new TaskTerms()) with { Migration = TaskMigration.Cooperative });

    private static Ending Submit(TestNode node, string script, TaskTerms terms)
    {
        var ending = new Ending();
        var submission = new TaskSubmission { Target = node.ResolveCommand(), Level = 32, Command = new CommandLine(["/bin/sh", "-c", script], [], null), Terms = terms };
        var error = node.Tasks.Submit(submission, ending, 0, out var id);
        Assert.True(error is null, error?.Message);
        ending.Id = id;
        return ending;
    }

    private static Task ReadyAsync(TestNode node, Ending task) => TestNode.UntilAsync(() => Get(node, task).StdoutBytes >= 6, "it has set its trap");

    /// <summary>Its first words may be here before the word that it was started, which it cannot be asked before: it is asked again, as it says.</summary>
    private static async Task<OperationError?> CheckpointAsync(TestNode node, Ending task)
    {
        while (true)
        {
            var refusal = await node.Runtime.Life.CheckpointAsync(task.Id, 0);
            if (refusal is not { Code: ErrorCode.Unavailable, RetryAfterMs: { } pause })
            {
                return refusal;
            }

            await Task.Delay(pause);
        }
    }

    private static TaskSnapshot Get(TestNode node, Ending ending)
    {
        Assert.Null(node.Tasks.Get(ending.Id, 0, out var snapshot));
        return snapshot!;
    }
}
