using System.Text;
using Wayang.Fast.Host.Configuration;
using Xunit;

namespace Wayang.Fast.Host.Tests;

/// <summary>Broken files, and every word that is said about them.</summary>
[Trait("Promise", "CFG")]
public sealed class BrokenConfigurationTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("wayang-config-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Theory]
    [InlineData("workers:\n  max_per_pol: 3\n", "1:2:3: 'workers.max_per_pol': no such key; did you mean 'workers.max_per_pool'?")]
    [InlineData("wrokers:\n  spares: 1\n", "1:1:1: 'wrokers': no such key; did you mean 'workers'?")]
    [InlineData("queued_tasks: 1\n", "1:1:1: 'queued_tasks': no such key; did you mean 'limits.queued_tasks'?")]
    [InlineData("qqqqqqqq: 1\n", "1:1:1: 'qqqqqqqq': no such key; there are: TOP")]
    [InlineData(
        "runtime: {agents: {task_runer: {a: 1}}}\n",
        "1:1:20: 'runtime.agents.task_runer': no such key; did you mean 'runtime.agents.task_runner'?")]
    [InlineData("http_port: 1\nhttp_port: 2\n", "1:2:1: 'http_port': stands twice; it was given in line 1 already")]
    [InlineData("limits: {queued_tasks: 10}\nlimits: {queued_tasks: 11}\n", "1:2:1: 'limits': stands twice; it was given in line 1 already")]
    [InlineData("http_port: 70000\n", "1:1:12: 'http_port': must be a whole number from 1 to 65535, or 0: none, not '70000'")]
    [InlineData("http_port: 1.5\n", "1:1:12: 'http_port': must be a whole number from 1 to 65535, or 0: none, not '1.5'")]
    [InlineData("http_port:\n", "1:1:11: 'http_port': has no value; it must be a whole number from 1 to 65535, or 0: none")]
    [InlineData("http_port: [1, 2]\n", "1:1:12: 'http_port': must be a whole number from 1 to 65535, or 0: none, not a list")]
    [InlineData("http_port: {a: 1}\n", "1:1:12: 'http_port': must be a whole number from 1 to 65535, or 0: none, not keys of its own")]
    [InlineData("workers: 3\n", "1:1:10: 'workers': is a section; write its keys below it: max_per_pool, spares, warm_idle_s, recycle_calls, recycle_age_s, recycle_memory_percent, concurrency, spin_us")]
    [InlineData("socket: wayang.sock\n", "1:1:9: 'socket': must be an absolute path of at most 107 bytes, not 'wayang.sock'")]
    [InlineData(
        "limits: {queued_bytes: 10 GB}\n",
        "1:1:24: 'limits.queued_bytes': must be a size from 1MiB to 1024GiB: a whole number of bytes, or one with KiB, MiB or GiB, not '10 GB'; write 10GiB")]
    [InlineData(
        "limits: {default_timeout_ms: 5 minutes}\n",
        "1:1:30: 'limits.default_timeout_ms': must be a whole number from 1 to 4294967295 (milliseconds), not '5 minutes'; write 300000")]
    [InlineData(
        "limits: {default_timeout_ms: 5 MB}\n",
        "1:1:30: 'limits.default_timeout_ms': must be a whole number from 1 to 4294967295 (milliseconds), not '5 MB'; its unit is milliseconds")]
    [InlineData(
        "runtime: {agents: {task_runner: {memory_limit_mb: 2GB}}}\n",
        "1:1:51: 'runtime.agents.task_runner.memory_limit_mb': must be a whole number from 16 to 1048576 (MB), not '2GB'; write 2048")]
    [InlineData(
        "limits: {queued_tasks: 1MiB}\n",
        "1:1:24: 'limits.queued_tasks': must be a whole number from 1 to 100000000, not '1MiB'; it has no unit")]
    [InlineData(
        "runtime: {agents: {model_inference: {gpu_acceleration: yes}}}\n",
        "1:1:56: 'runtime.agents.model_inference.gpu_acceleration': must be true or false, not 'yes'; write true")]
    [InlineData(
        "runtime: {agents: {plugin_loader: {sandbox_enabled: false}}}\n",
        "1:1:53: 'runtime.agents.plugin_loader.sandbox_enabled': must be true: nothing runs without its sandbox")]
    [InlineData(
        "runtime: {agents: {resource_allocator: {cpu_shares: -1}}}\n",
        "1:1:53: 'runtime.agents.resource_allocator.cpu_shares': must be a number from 0.01 to 10, not '-1'")]
    [InlineData("workers:\n\tspares: 1\n\tconcurrency: 2\n",
        "1:2:1: a tab in the indentation; YAML takes spaces only", "1:3:1: a tab in the indentation; YAML takes spaces only")]
    [InlineData("http_port: &port 1\n", "1:1:12: anchors are not read here: leave out &port and write the value where it is used")]
    [InlineData("a: &x [*x]\n",
        "1:1:4: anchors are not read here: leave out &x and write the value where it is used",
        "1:1:8: aliases are not read here: write out what *x stands for",
        "1:1:1: 'a': no such key; there are: TOP")]
    [InlineData("http_port: !!int 1\n", "1:1:12: tags are not read here: leave out tag:yaml.org,2002:int")]
    [InlineData("http_port: 1\n---\nhttp_port: 2\n", "1:2:1: a second document begins here; a configuration is one")]
    [InlineData("- a\n", "1:1:1: a mapping of keys to values was expected, for example 'http_port: 7801'")]
    [InlineData("? [a]\n: 1\n", "1:1:3: a key must be a plain word")]
    [InlineData(
        "limits: {max_timeout_ms: 5}\n",
        "1:1:26: 'limits.default_timeout_ms': must not exceed limits.max_timeout_ms: 3600000 ms (the default) is more than 5 ms (1:1:26)")]
    [InlineData(
        "limits: {concurrent_tasks: 4}\nruntime: {agents: {task_runner: {max_concurrent_tasks: 50}}}\n",
        "1:2:56: 'runtime.agents.task_runner.max_concurrent_tasks': is 50, but 1:1:28 says 'limits.concurrent_tasks' 4: both set limits.concurrent_tasks; keep one")]
    [InlineData("images: {}\n", "1:1:9: 'images': must be a list; write each image as '- {name: text, kind: c, file: text.so}'")]
    [InlineData("images: [x]\n", "1:1:10: 'images[0]': must be keys and values: {name: text, kind: c, file: text.so}")]
    [InlineData("images: [{kind: c}]\n", "1:1:10: 'images[0]': has no name", "1:1:10: 'images[0]': has no file")]
    [InlineData(
        "images: [{name: a, kind: pyton, file: x}]\n",
        "1:1:26: 'images[0].kind': must be one of c, python, command, not 'pyton'; did you mean python?")]
    [InlineData(
        "images:\n- {name: a, kind: command}\n- {name: a, kind: command}\n",
        "1:3:3: 'images[1]': the name 'a' stands twice; the first is at 1:2:3")]
    [InlineData("images: [{name: a b, kind: command}]\n", "1:1:17: 'images[0].name': must be 1 to 63 of A-Z a-z 0-9 . _ -, not 'a b'")]
    [InlineData("images: [{name: a, kind: command, file: b}]\n", "1:1:41: 'images[0].file': a command has no file; leave it out")]
    [InlineData("images: [{name: a, kind: c, file: b, preload: [json]}]\n", "1:1:47: 'images[0].preload': is for kind python, not for c")]
    [InlineData("images: [{name: a, kind: command, measure: cpu}]\n", "1:1:44: 'images[0].measure': is for the calls of kinds c and python; commands are always measured")]
    [InlineData(
        "images: [{name: a, kind: python, file: b, preload: [\"os; rm\"]}]\n",
        "1:1:52: 'images[0].preload': must be a list of at most 64 names of modules: [json, os.path]")]
    [InlineData("images: [{name: a, kind: c, flie: b}]\n",
        "1:1:29: 'images[0].flie': no such key; did you mean 'file'?", "1:1:10: 'images[0]': has no file")]
    public void Each_problem_of_a_broken_file_is_told(string text, params string[] expected)
    {
        var problems = NodeConfiguration.Of(new ConfigurationInput { Path = "1", Text = text }).Problems;

        // What stands at the top grows with every room that is configured.
        var top = string.Join(", ", ConfigurationKeys.NamesIn(""));
        Assert.Equal(expected.Select(e => e.Replace("TOP", top, StringComparison.Ordinal)), problems.Select(static p => p.ToString()));
    }

    [Fact]
    public void What_is_no_yaml_is_told_with_its_place()
    {
        var error = Assert.Throws<ConfigurationException>(() => ConfigurationFile.Parse("1", "a: [1\n"));

        Assert.Matches(@"^1:\d+:\d+: not YAML: ", error.Message);
    }

    /// <summary>Texts that the library's scanner meets with exceptions that are not its own.</summary>
    [Theory]
    [InlineData("? #a key that is a comment\n")]
    [InlineData("? # A\n\u0001co\tnf")]
    public void What_breaks_the_scanner_is_no_yaml_or_no_mapping(string text) =>
        Assert.NotEmpty(NodeConfiguration.Of(new ConfigurationInput { Path = "n", Text = text }).Problems);

    [Fact]
    public void Depth_is_bounded()
    {
        var text = new string('[', 50_000);

        Assert.Contains("nested deeper than 16 levels", Assert.Throws<ConfigurationException>(() => ConfigurationFile.Parse("1", text)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void No_text_brings_the_reader_down()
    {
        var seed = Environment.TickCount;
        var random = new Random(seed);
        var good = ConfigurationText.Example().Replace("\n#", "\n", StringComparison.Ordinal);
        var words = new[] { "[", "]", "{", "}", "- ", ": ", "? ", "\t", "&a ", "*a", "!!x ", "|", ">", "'", "\"", "---\n", "...\n", "%YAML 1.1\n", "\0", "\uD800", "\n", "#", "<<: ", "~", "\\" };
        for (var round = 0; round < 5_000; round++)
        {
            var text = good[..random.Next(good.Length / (1 + random.Next(20)) + 1)];
            for (var i = random.Next(1, 6); i > 0; i--)
            {
                text = text.Insert(random.Next(text.Length + 1), words[random.Next(words.Length)]);
            }

            try
            {
                var configuration = NodeConfiguration.Of(new ConfigurationInput { Path = "n", Text = text });
                Assert.All(configuration.Problems, static p => Assert.True(p.Place.Line > 0 && p.Place.Column > 0, p.ToString()));
            }
            catch (Exception defect) when (defect is not Xunit.Sdk.XunitException)
            {
                Assert.Fail($"seed {seed}, round {round}: {defect.GetType()}: {defect.Message}\n{text}");
            }
        }
    }

    [Fact]
    public void All_problems_are_told_not_only_the_first()
    {
        var error = Assert.Throws<ConfigurationException>(() => ConfigurationFile.Parse("n.yaml", """
            http_port: many
            workers: {spares: -1, max_per_pool: 1}
            limits:
              queued_taks: 3
            """));

        Assert.Equal(["n.yaml:1:12", "n.yaml:2:19", "n.yaml:4:3"], error.Problems.Select(static p => p.Place.ToString()));
        Assert.Equal(3, error.Message.Split(Environment.NewLine).Length);
        Assert.Equal((1, 12, "http_port"), ((int)error.Line, (int)error.Column, error.Key));
        Assert.Equal("limits.queued_tasks", error.Problems[2].Nearest);
    }

    [Fact]
    public void Files_that_cannot_be_read_are_told_with_the_remedy()
    {
        Told("no such file; give an existing one with --config", Path.Combine(_directory, "qqqqqqqqq"));
        Told($"no such file: the directory {_directory}/none does not exist; give an existing file with --config", Path.Combine(_directory, "none", "x"));
        Told("is a directory; name the file in it", _directory);
        Told("longer than 65536 bytes (64 KiB), the most of a configuration; is it the right file?", Write("#" + new string('x', 70_000)));
        Told("is UTF-16; save it as UTF-8", Write(Encoding.Unicode.GetPreamble()));
        var latin = Write([.. "# a\nsocket: /r"u8, 0xE9, .. "\n"u8]);
        Assert.StartsWith($"{latin}:2:11: a byte that is no UTF-8 (0xE9); save the file as UTF-8", Assert.Throws<ConfigurationException>(() => ConfigurationFile.ReadText(latin)).Message, StringComparison.Ordinal);
        var near = Path.Combine(_directory, "node.yaml");
        File.WriteAllText(near, "");
        Told($"no such file; did you mean {near}?", Path.Combine(_directory, "nod.yaml"));
        Told("longer than 65536 bytes (64 KiB), the most of a configuration; is it the right file?", "/dev/zero");

        static void Told(string reason, string path) =>
            Assert.Equal($"{path}: {reason}", Assert.Throws<ConfigurationException>(() => ConfigurationFile.ReadText(path)).Message);
    }

    [Fact]
    public void Files_of_images_that_cannot_be_read_are_told_with_their_place()
    {
        var file = Write("images:\n  - {name: a, kind: c, file: none.so}\n  - {name: b, kind: c, file: .}\n  - {name: c, kind: c, file: empty.so}\n");
        File.WriteAllText(Path.Combine(_directory, "empty.so"), "");

        var error = Assert.Throws<ConfigurationException>(() => ConfigurationBundle.Gather(ConfigurationInput.Gather(file)));

        Assert.Equal(
            [
                $"{file}:2:30: 'images.a.file': {_directory}/none.so: no such file (a relative one is looked for beside the configuration file)",
                $"{file}:3:30: 'images.b.file': {_directory}: is a directory; name the file",
                $"{file}:4:30: 'images.c.file': {_directory}/empty.so: is empty",
            ],
            error.Problems.Select(static p => p.ToString()));
    }

    private string Write(string text) => Write(Encoding.UTF8.GetBytes(text));

    private string Write(byte[] content)
    {
        var path = Path.Combine(_directory, Path.GetRandomFileName() + ".yaml");
        File.WriteAllBytes(path, content);
        return path;
    }
}
