using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Python;

/// <summary>Python through the socket and through the command line, mistakes first.</summary>
[Trait("Promise", "TR1")]
[Trait("Promise", "COM7")]
public sealed class FrontDoorTests : IAsyncLifetime
{
    private const string Module =
        """
        import wayang

        @wayang.json
        def add(value, ctx):
            print("adding")
            return {"sum": value["a"] + value["b"]}

        def boom(data, ctx):
            raise LookupError("nothing here")

        def slow(data, ctx):
            ctx.progress(25, "a quarter")
            while not ctx.cancelled:
                pass

        def climbs(data, ctx):
            step = int(ctx.saved or 0) + 1
            if step == int(data):
                return f"{ctx.attempt} attempts: {ctx.saved}"
            ctx.save(str(step).encode())
            raise RuntimeError("not there yet")

        def yields(data, ctx):
            turns = int(ctx.saved or 0)
            ctx.on_save(lambda: str(turns).encode())
            while ctx.attempt == 1:
                turns += 1
                ctx.progress(1)
            return f"attempt {ctx.attempt}: {turns > 0}"

        def later():
            import wave
            return "imported"
        """;

    private readonly string _scratch = Directory.CreateTempSubdirectory("wayang-python-").FullName;
    private SocketNode _node = null!;

    public ValueTask InitializeAsync()
    {
        Assert.SkipUnless(File.Exists(Path.Combine(Plugins.Stage, "wayang_python.so")), "built without Python: ./build.sh deps installs libpython3-dev");
        _node = new SocketNode();
        File.WriteAllText(Path.Combine(_scratch, "jobs.py"), Module);
        File.WriteAllText(Path.Combine(_scratch, "broken.py"), "def f(:\n    pass\n");
        File.WriteAllText(Path.Combine(_scratch, "raises.py"), "limit = {}['none']\ndef f(): pass\n");
        File.WriteAllText(Path.Combine(_scratch, "needs.py"), "import no_such_thing\ndef f(): pass\n");
        File.WriteAllText(Path.Combine(_scratch, "large.py"), "#" + new string('x', 1 << 20));
        File.WriteAllText(Path.Combine(_scratch, "plugin.so"), "no library");
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        if (_node is not null)
        {
            await _node.DisposeAsync();
        }

        Directory.Delete(_scratch, recursive: true);
    }

    [Fact]
    public async Task Preload_traceback_and_progress_cross_the_socket()
    {
        await using var client = await _node.ConnectAsync();
        var image = await client.PutImageAsync("python", Encoding.UTF8.GetBytes(Module), new ImageNames { Name = "jobs", Preload = ["wave"], File = "shop.py" });
        Assert.Equal(("python", "jobs"), (image.Kind, image.Name));
        Assert.Equal("imported", Encoding.UTF8.GetString((await client.RunCallAsync("jobs", "later")).Output.Span));

        var failed = await client.RunCallAsync("jobs", "boom");
        Assert.Equal((TaskState.Failed, CauseType.Exception, "LookupError: nothing here"), (failed.State, failed.Cause.Type, failed.Cause.Detail));
        Assert.Contains("File \"shop.py\", line 9, in boom\n    raise LookupError(\"nothing here\")\n", failed.Cause.Traceback, StringComparison.Ordinal);

        var id = await client.SubmitAsync(TaskSpec.Call("jobs", "slow"));
        TaskInfo info;
        while ((info = await client.GetAsync(id)).Progress is null)
        {
            await Task.Delay(1, TestContext.Current.CancellationToken);
        }

        Assert.Equal(new TaskProgress(25, "a quarter"), info.Progress);
        Assert.Contains("25 % a quarter", (await RunAsync("status", id.ToString())).Output, StringComparison.Ordinal);
        using var json = JsonDocument.Parse((await RunAsync("status", id.ToString(), "--json")).Output);
        Assert.Equal(25, json.RootElement.GetProperty("progress").GetProperty("percent").GetInt32());
        await client.CancelAsync(id);
        Assert.Equal(TaskState.Cancelled, (await client.WaitAsync(id)).State);

        var refused = await Assert.ThrowsAsync<WayangException>(() => client.PutImageAsync("c", Plugins.Good, new ImageNames { Preload = ["json"] }));
        Assert.Equal((ErrorCode.InvalidArgument, "preload"), (refused.Code, refused.Field));
    }

    [Fact]
    public async Task Plugins_in_C_tell_progress_too()
    {
        await using var client = await _node.ConnectAsync();
        await client.PutImageAsync("c", Plugins.Good, "good");
        var id = await client.SubmitAsync(TaskSpec.Call("good", "progress"));
        TaskInfo info;
        while ((info = await client.GetAsync(id)).Progress is null)
        {
            await Task.Delay(1, TestContext.Current.CancellationToken);
        }

        Assert.Equal("of the way", info.Progress!.Text);
        await client.CancelAsync(id);
        await client.WaitAsync(id);

        // The last one is held back while too many were told, and comes with the end.
        Assert.Equal(new TaskProgress(null, ""), (await client.GetAsync(id)).Progress);
    }

    [Fact]
    public async Task What_a_call_saved_is_told_at_the_door_and_its_next_attempt_begins_there()
    {
        await using var client = await _node.ConnectAsync();
        await client.PutImageAsync("c", Plugins.Good, "good");
        var id = await client.SubmitAsync(TaskSpec.Call("good", "climb", "3"u8.ToArray()) with { Retry = new RetrySpec(5) { Backoff = TimeSpan.FromMilliseconds(1) } });
        var end = await client.WaitAsync(id);
        Assert.Equal((TaskState.Succeeded, 3), (end.State, BitConverter.ToInt64(end.Output.Span)));
        var saved = (await client.GetAsync(id)).Life!.Saved!;
        Assert.Equal((8, 3), (saved.Bytes, saved.Times));
        Assert.Contains("8 bytes", (await RunAsync("status", id.ToString())).Output, StringComparison.Ordinal);
        using var json = JsonDocument.Parse((await RunAsync("status", id.ToString(), "--json")).Output);
        Assert.Equal(8, json.RootElement.GetProperty("saved").GetProperty("bytes").GetInt32());
        Assert.Contains("saved its state 3 times", (await RunAsync("explain", id.ToString())).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_python_function_goes_on_from_what_its_lost_attempt_saved()
    {
        Assert.Equal((0, "5 attempts: b'4'", ""), await RunAsync("run", "python", "jobs.py:climbs", "--data", "5", "--retries", "9", "--backoff", "1ms"));
    }

    [Fact]
    public async Task A_python_function_gives_its_place_back_and_goes_on()
    {
        var id = (await RunAsync("submit", "python", "jobs.py:yields", "--migration", "cooperative")).Output.Trim();
        Assert.True(TaskId.TryParse(id, out var task), id);
        await using var client = await _node.ConnectAsync();
        while ((await client.GetAsync(task)).Progress is null)
        {
            await Task.Delay(1, TestContext.Current.CancellationToken);
        }

        Assert.Equal(0, (await RunAsync("checkpoint", id)).Code);
        var waiting = (await RunAsync("status", id)).Output;
        Assert.Contains("queued (paused)", waiting, StringComparison.Ordinal);
        Assert.Contains("saved", waiting, StringComparison.Ordinal);
        Assert.Equal(0, (await RunAsync("resume", id)).Code);
        Assert.Equal("attempt 2: True", (await RunAsync("wait", id)).Output);
    }

    [Fact]
    public async Task A_file_is_run_put_and_submitted_from_the_command_line()
    {
        var run = await RunAsync("run", "python", "jobs.py:add", "--data", """{"a": 2, "b": 3}""");
        Assert.Equal((0, "adding\n{\"sum\":5}", ""), run);
        Assert.Equal("imported", (await RunAsync("run", "python", "jobs.py:later", "--preload", "json,wave")).Output);
        Assert.Equal("imported", (await RunAsync("run", "python", "jobs.py:later", "--profile", "standard", "--reuse", "never")).Output);

        Assert.Matches("^[0-9a-f]{64}\n$", (await RunAsync("images", "put", "jobs.py", "--name", "jobs", "--preload", "wave")).Output);
        Assert.Equal("imported", (await RunAsync("run", "python", "jobs:later")).Output);
        var id = (await RunAsync("submit", "python", "jobs:add", "--data", """{"a": 1, "b": 1}""")).Output.Trim();
        Assert.Contains("{\"sum\":2}", (await RunAsync("wait", id)).Output, StringComparison.Ordinal);
        Assert.Contains("add boom slow climbs yields later", (await RunAsync("images")).Output, StringComparison.Ordinal);

        using var json = JsonDocument.Parse((await RunAsync("run", "python", "jobs.py:boom", "--json")).Output);
        Assert.Contains("in boom", json.RootElement.GetProperty("cause").GetProperty("traceback").GetString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(125, "nojobs.py: no such file (the Python module)", "Did you mean jobs.py?", "run", "python", "nojobs.py:add")]
    [InlineData(125, "not readable, or a directory", "Give a readable file", "run", "python", "./:add")]
    [InlineData(2, "jobs.py has no function 'ad'", "Did you mean add? It has: add, boom, slow, climbs, yields, later.", "run", "python", "jobs.py:ad")]
    [InlineData(125, "broken.py cannot be loaded: broken.py:1:7: SyntaxError: invalid syntax", "Correct the file", "run", "python", "broken.py:f")]
    [InlineData(125, "raises.py:1: while the module was loaded: KeyError: 'none'", "Traceback (most recent call last):", "run", "python", "raises.py:f")]
    [InlineData(125, "needs.py:1: while the module was loaded: ModuleNotFoundError", "Install what is missing", "run", "python", "needs.py:f")]
    [InlineData(125, "preload: no module named 'nothere'", "Install what is missing", "run", "python", "jobs.py:add", "--preload", "nothere")]
    [InlineData(125, "preload: '../x' is no name of a module", "Correct", "run", "python", "jobs.py:add", "--preload", "../x")]
    [InlineData(125, "at most 1048576 are taken", "Correct", "run", "python", "large.py:f")]
    [InlineData(2, "plugin.so is a file of kind c, not python", "Write: c plugin.so", "run", "python", "plugin.so:f")]
    [InlineData(2, "jobs.py is a file of kind python, not c", "Write: python jobs.py", "run", "c", "jobs.py:add")]
    [InlineData(2, "'jobs.py' is not FILE.py:FUNCTION", "python ./file.py:function", "run", "python", "jobs.py")]
    [InlineData(2, "--kind 'pyton': there is no such kind", "c, python", "images", "put", "jobs.py", "--kind", "pyton")]
    [InlineData(1, "InputError: the input is no JSON: Expecting value at line 1 column 7, near '{\"a\": '", "", "run", "python", "jobs.py:add", "--data", "{\"a\": ")]
    [InlineData(1, "InputError: the input is empty; this function takes JSON", "", "run", "python", "jobs.py:add")]
    [InlineData(1, "ModuleNotFoundError: No module named 'wave': this sandbox reads no files once it has started; name it under preload:", "--preload wave", "run", "python", "jobs.py:later")]
    [InlineData(1, "exception: LookupError: nothing here", "File \"jobs.py\", line 9, in boom", "run", "python", "jobs.py:boom")]
    public async Task A_mistake_is_told_with_place_and_remedy(int code, string words, string remedy, params string[] arguments)
    {
        var run = await RunAsync(arguments);
        Assert.Equal("", run.Output);
        Assert.Contains(words, run.Errors, StringComparison.Ordinal);
        Assert.Contains(remedy, run.Errors, StringComparison.Ordinal);
        Assert.Equal(code, run.Code);
    }

    private async Task<(int Code, string Output, string Errors)> RunAsync(params IEnumerable<string> arguments)
    {
        Assert.SkipUnless(Installation.Missing is null, Installation.Missing ?? "");
        var start = new ProcessStartInfo(Installation.Wayang, [.. arguments, "--socket", _node.SocketPath])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
            WorkingDirectory = _scratch,
        };
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(LiveNode.Patience);
        return (process.ExitCode, await output, await errors);
    }
}
