using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Execution;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Python;

/// <summary>How a file becomes an image: what is listed, imported, refused, shared and kept apart.</summary>
[Trait("Promise", "TR1")]
public sealed class ImageTests : IDisposable
{
    private readonly PythonNode _node = new(new RuntimeOptions { MaxWorkersPerPool = 1 });

    public void Dispose() => _node.Dispose();

    [Fact]
    public async Task Public_functions_of_the_file_are_listed_in_their_order()
    {
        var image = await _node.PutAsync(
            """
            from os.path import join
            import functools
            def b(): pass
            def _hidden(): pass
            class Thing: pass
            @functools.lru_cache
            def a(data): return data
            value = 3
            """);
        Assert.Equal(["b", "a"], image.Functions);
        Assert.Equal("python", image.Kind);
        Assert.Equal("x", await _node.TextAsync("a", "x"));
    }

    [Fact]
    public async Task The_preload_list_is_part_of_the_identity()
    {
        const string code = "def f(data): return data";
        var plain = await _node.PutAsync(code);
        var again = await _node.PutAsync(code);
        var more = await _node.PutAsync(code, "job", 0, "decimal");
        Assert.Equal(plain.Image, again.Image);
        Assert.NotEqual(plain.Image, more.Image);
    }

    [Fact]
    public async Task Import_after_the_start_works_where_there_are_files_and_names_preload_where_not()
    {
        await _node.PutAsync(PythonNode.Source("contract.py"));
        var end = await _node.RunAsync("imports", "wave");
        Assert.True(end is { State: TaskState.Failed, Cause.Type: CauseType.Exception }, end.ToString());
        Assert.StartsWith("ModuleNotFoundError: No module named 'wave'", end.Cause.Detail, StringComparison.Ordinal);
        Assert.Contains("preload:", end.Cause.Detail, StringComparison.Ordinal);
        Assert.Equal("wave", await _node.TextAsync("imports", "wave", "standard"));
        Assert.Contains("apt-get install", (await _node.RunAsync("imports", "no_such_module", "standard")).Cause.Detail, StringComparison.Ordinal);
        await _node.PutAsync(PythonNode.Source("contract.py"), "job", 0, "wave");
        Assert.Equal("wave", await _node.TextAsync("imports", "wave"));
    }

    [Fact]
    public async Task What_the_standard_library_imports_late_is_there()
    {
        await _node.PutAsync(PythonNode.Source("contract.py"));
        Assert.Equal("b", await _node.TextAsync("most_common", "abb"));
        Assert.Equal("ä", await _node.TextAsync("decodes", "cp1252"));
        Assert.Contains("encodings.cp1250 under preload:", (await _node.RunAsync("decodes", "cp1250")).Cause.Detail, StringComparison.Ordinal);
        Assert.Equal("ä", await _node.TextAsync("decodes", "cp1250", "standard"));
        await _node.PutAsync(PythonNode.Source("contract.py"), "job", 0, "encodings.cp1250");
        Assert.Equal("ä", await _node.TextAsync("decodes", "cp1250"));
    }

    [Theory]
    [InlineData("def f(data)\n    pass", "refused.py:1:12: SyntaxError: expected ':'\n    def f(data)\n               ^")]
    [InlineData("x = 1", "refused.py: defines no function that can be called; write: def f(data, ctx): return data")]
    [InlineData("import no_such_thing\ndef f(): pass", "refused.py:1: while the module was loaded: ModuleNotFoundError: No module named 'no_such_thing'")]
    [InlineData("def f(): pass\n\n1 / 0", "refused.py:3: while the module was loaded: ZeroDivisionError: division by zero\nTraceback")]
    [InlineData("def f(): pass\nimport sys; sys.exit(1)", "refused.py:2: while the module was loaded: SystemExit: 1")]
    [InlineData("def f(): pass\nimport os; os._exit(9)", "its zygote")]
    [InlineData("def größe(): pass", "begin it with _ to hide it")]
    [InlineData("import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\ndef f(): pass", "left a second thread behind")]
    public async Task File_that_cannot_be_an_image_is_refused_with_place_and_reason(string code, string words)
    {
        var error = await _node.RefusedAsync(code);
        Assert.Equal(ErrorCode.ImageFailed, error.Code);
        Assert.Contains(words, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Wrong_upload_names_its_field()
    {
        Assert.Equal("preload", (await _node.RefusedAsync("def f(): pass", "../etc")).Field);
        Assert.Equal("preload", (await _node.RefusedAsync("def f(): pass", [.. Enumerable.Repeat("json", 65)])).Field);
        Assert.Equal("data", (await _node.RefusedAsync("")).Field);
        Assert.Equal("data", (await _node.RefusedAsync("a\0b")).Field);
        Assert.Equal(ErrorCode.TooLarge, (await _node.RefusedAsync("#" + new string('x', 1 << 20))).Code);
        var missing = await _node.RefusedAsync("def f(): pass", "no_such_module");
        Assert.Equal(ErrorCode.ImageFailed, missing.Code);
        Assert.StartsWith("preload: no module named 'no_such_module'", missing.Message, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Promise", "IM3")]
    public async Task Warm_workers_keep_their_globals_and_a_fresh_interpreter_has_none()
    {
        await _node.PutAsync(PythonNode.Source("contract.py"));
        for (var i = 1; i <= 5; i++)
        {
            Assert.Equal($"{i}", await _node.TextAsync("counts"));
            Assert.Equal("1", await _node.TextAsync("counts", reuse: WorkerReuse.Never));
        }
    }

    [Fact]
    [Trait("Promise", "IM3")]
    public async Task No_two_tasks_draw_the_same_random_numbers()
    {
        await _node.PutAsync(PythonNode.Source("contract.py"));
        var drawn = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < 8; i++)
        {
            Assert.True(drawn.Add(await _node.TextAsync("draws")), "a warm worker drew again what was drawn");
            Assert.True(drawn.Add(await _node.TextAsync("draws", reuse: WorkerReuse.Never)), "a fresh worker drew again what was drawn");

            // A task that fixes the generator fixes it for itself.
            Assert.Equal("272996653310673477252411125948039410165", await _node.TextAsync("seeds"));
        }
    }
}
