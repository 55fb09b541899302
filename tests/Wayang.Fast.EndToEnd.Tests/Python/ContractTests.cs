using System.Text.Json;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Wayang.Fast.Execution;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Python;

/// <summary>What a Python function takes and answers, what becomes of what it raises and prints, and what its context tells.</summary>
[Trait("Promise", "TR1")]
public sealed class ContractTests : IAsyncLifetime
{
    private PythonNode _node = null!;

    public async ValueTask InitializeAsync()
    {
        _node = new PythonNode();
        await _node.PutAsync(PythonNode.Source("contract.py"));
    }

    public ValueTask DisposeAsync()
    {
        _node?.Dispose();
        return ValueTask.CompletedTask;
    }

    [Theory]
    [InlineData("bytes", "b")]
    [InlineData("bytearray", "ba")]
    [InlineData("memoryview", "mv")]
    [InlineData("str", "ä")]
    [InlineData("none", "")]
    public async Task Result_may_be_any_kind_of_bytes_text_or_none(string kind, string expected) =>
        Assert.Equal(expected, await _node.TextAsync("returns", kind));

    [Theory]
    [InlineData("int", "TypeError: the function returned int: return bytes")]
    [InlineData("generator", "TypeError: the function returned generator")]
    [InlineData("surrogate", "UnicodeEncodeError")]
    public async Task Another_result_fails_and_says_what_to_return(string kind, string words)
    {
        var end = await _node.RunAsync("returns", kind);
        Assert.True(end is { State: TaskState.Failed, Cause.Type: CauseType.Exception, Output.Length: 0 }, end.ToString());
        Assert.Contains(words, end.Cause.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("nothing", "called")]
    [InlineData("one", "in")]
    [InlineData("echo", "in")]
    [InlineData("with_default", "in 3")]
    [InlineData("context_by_name", "Context")]
    [InlineData("anything", "2")]
    public async Task Function_takes_data_and_context_data_or_nothing(string function, string expected) =>
        Assert.Equal(expected, await _node.TextAsync(function, "in"));

    [Theory]
    [InlineData("three")]
    [InlineData("keyword_only")]
    public async Task Signature_that_cannot_be_called_says_how_to_write_it(string function)
    {
        var end = await _node.RunAsync(function, "in");
        Assert.Equal($"TypeError: {function} cannot be called as a task: write it as {function}(data, ctx), {function}(data) or {function}()", end.Cause.Detail);
    }

    [Theory]
    [InlineData("value", "ValueError: bad value")]
    [InlineData("own", "TooBad: of mine")]
    [InlineData("exit", "SystemExit: 3: a function returns its result, it does not exit")]
    [InlineData("interrupt", "KeyboardInterrupt: ")]
    [InlineData("memory", "MemoryError: ")]
    [InlineData("recursion", "RecursionError: maximum recursion depth exceeded")]
    [InlineData("broken", "Broken: its text could not be made")]
    [InlineData("base", "BaseException: base")]
    [Trait("Promise", "TR4")]
    public async Task Exception_ends_the_task_with_type_message_and_traceback(string kind, string detail)
    {
        foreach (var profile in PythonNode.Profiles)
        {
            var end = await _node.RunAsync("raises", kind, profile);
            Assert.True(end is { State: TaskState.Failed, Cause.Type: CauseType.Exception }, end.ToString());
            Assert.StartsWith(detail, end.Cause.Detail, StringComparison.Ordinal);
            Assert.Contains("File \"job.py\", line ", end.Cause.Traceback, StringComparison.Ordinal);
            Assert.Contains(", in raises\n", end.Cause.Traceback, StringComparison.Ordinal);

            // The worker goes on.
            Assert.Equal("in", await _node.TextAsync("echo", "in", profile));
        }
    }

    [Fact]
    [Trait("Promise", "TR4")]
    public async Task Long_error_is_cut_and_a_silent_exit_is_an_exit()
    {
        var longest = await _node.RunAsync("raises", "long");
        Assert.Equal(4000 + "ValueError: ".Length, longest.Cause.Detail!.Length);
        Assert.InRange(longest.Cause.Traceback!.Length, 1, 16384);
        var exit = await _node.RunAsync("raises", "os_exit");
        Assert.True(exit is { State: TaskState.Failed, Cause: { Type: CauseType.Exit, Value: 7 } }, exit.ToString());
        Assert.Equal("in", await _node.TextAsync("echo", "in"));
    }

    [Fact]
    [Trait("Promise", "TR3")]
    public async Task Print_and_logging_arrive_whole_and_in_order()
    {
        const int lines = 2_000;
        foreach (var profile in PythonNode.Profiles)
        {
            var end = await _node.RunAsync("speaks", "2000", profile);
            Assert.Equal("said", end.Text);
            Assert.Equal(string.Concat(Enumerable.Range(0, lines).Select(static n => $"out {n}\n")) + "no line end", end.Out);
            Assert.Equal(string.Concat(Enumerable.Range(0, lines).Select(static n => $"err {n}\n")), end.Err);
            Assert.Equal(Enumerable.Range(0, lines).Select(static n => $"info shop: sold {n}"), LogRecord.Read(end.Log).Select(static record => $"{record.Level} {record.Text}"));
        }

        Assert.Equal("", (await _node.RunAsync("echo", "in")).Out);
    }

    [Fact]
    public async Task Large_payloads_come_back_byte_for_byte()
    {
        foreach (var bytes in (int[])[0, 48, 49, 65_536, 300_000, 8 << 20])
        {
            var data = new byte[bytes];
            new Random(bytes).NextBytes(data);
            var end = await _node.RunAsync("echo", data);
            Assert.True(end.Output.AsSpan().SequenceEqual(data), $"{bytes} bytes: {end}");
        }
    }

    [Fact]
    public async Task Context_tells_id_attempt_and_seconds_left()
    {
        var end = await _node.RunAsync("facts", "null", timeoutMs: 60_000);
        Assert.True(end.State == TaskState.Succeeded, end.ToString());
        using var told = JsonDocument.Parse(end.Output);
        Assert.Equal(end.Id.ToString(), told.RootElement[0].GetString());
        Assert.Equal(1, told.RootElement[1].GetInt32());
        Assert.False(told.RootElement[2].GetBoolean());
        Assert.InRange(told.RootElement[3].GetDouble(), 0.001, 60);
        Assert.Equal("", end.Err);
        Assert.Equal([("info", "a line"), ("error", "a bad line")], LogRecord.Read(end.Log).Select(static record => (record.Level, record.Text)));
    }

    [Fact]
    public async Task Context_that_was_kept_says_whose_it_was()
    {
        using var node = new PythonNode(new RuntimeOptions { MaxWorkersPerPool = 1 }); // the same worker both times
        await node.PutAsync(PythonNode.Source("contract.py"));
        var first = await node.RunAsync("keeps");
        Assert.Equal($"{first.Id} False", first.Text);
        var second = await node.RunAsync("keeps");
        Assert.Equal($"{first.Id} True", second.Text);
        Assert.Null(node.Node.Tasks.Get(second.Id, 0, out var snapshot));
        Assert.Null(snapshot!.Progress);
    }

    [Fact]
    [Trait("Promise", "TR2")]
    public async Task Progress_is_seen_while_it_runs_and_a_cancelled_function_ends_itself()
    {
        var id = _node.Node.Begin(await _node.Node.FunctionAsync("job", "progresses"), [], out var waiter);
        await LiveNode.UntilAsync(() => Snapshot(id).Progress is not null, "progress is told");
        var progress = Snapshot(id).Progress!;
        Assert.Equal($"step {progress.Percent}", progress.Text);
        _node.Node.Cancel(id);
        var end = await waiter.Ended.WaitAsync(LiveNode.Patience);
        Assert.True(end is { State: TaskState.Cancelled, Cause.Type: CauseType.Cancelled }, end.ToString());
        Assert.Equal("TooBad: stopped as asked", end.Cause.Detail);

        // What was held back while too much was told is the last word.
        Assert.Equal(new TaskProgress(100, "step 100"), Snapshot(id).Progress);
        Assert.Contains("the percent are 0 to 100", (await _node.RunAsync("progress_wrong")).Cause.Detail, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Promise", "TR2")]
    public async Task Endless_loop_is_stopped_by_time_and_by_force()
    {
        var timed = await _node.RunAsync("never_ends", timeoutMs: 200);
        Assert.True(timed is { State: TaskState.TimedOut, Cause.Type: CauseType.Timeout }, timed.ToString());
        var id = _node.Node.Begin(await _node.Node.FunctionAsync("job", "never_ends"), [], out var waiter);
        await LiveNode.UntilAsync(() => _node.Node.StateOf(id) == TaskState.Running, "it runs");
        _node.Node.Cancel(id);
        var end = await waiter.Ended.WaitAsync(LiveNode.Patience);
        Assert.True(end is { State: TaskState.Cancelled, Cause.Type: CauseType.Cancelled }, end.ToString());
        Assert.Equal("in", await _node.TextAsync("echo", "in"));
    }

    private TaskSnapshot Snapshot(TaskId id)
    {
        Assert.Null(_node.Node.Tasks.Get(id, 0, out var snapshot));
        return snapshot!;
    }
}
