using Wayang.Fast.Execution;
using Wayang.Fast.Host.Configuration;
using Xunit;

namespace Wayang.Fast.Host.Tests;

[Trait("Promise", "SX1")]
[Trait("Promise", "CFG")]
public sealed class ConfigurationFileTests
{
    private const string File = "node.yaml";

    [Fact]
    public void An_empty_file_says_nothing() => Assert.Equal(new FileSettings(), ConfigurationFile.Parse(File, "# only a comment\n"));

    [Fact]
    public void Every_key_sets_what_it_names()
    {
        var settings = ConfigurationFile.Parse(File, """
            socket: /run/x/wayang.sock
            http_port: 0
            workers: {max_per_pool: 3, spares: 2, warm_idle_s: 5, concurrency: 4, spin_us: 50}
            limits:
              concurrent_tasks: 6
              worker_memory_bytes: 100MiB
              default_timeout_ms: 1_000
              max_timeout_ms: 2000
              queued_tasks: 10
              queued_bytes: 2GiB
              payload_bytes: 64 KiB
              stream_bytes: 8192
            retention: {tasks: 7, minutes: 8}
            """);

        Assert.Equal("/run/x/wayang.sock", settings.SocketPath);
        Assert.Equal(0, settings.HttpPort);
        Assert.Equal(
            new RuntimeOptions
            {
                MaxWorkersPerPool = 3,
                SpareWorkers = 2,
                WarmIdleSeconds = 5,
                CallConcurrency = 4,
                SpinMicroseconds = 50,
                MaxConcurrentTasks = 6,
                WorkerMemoryBytes = 100 << 20,
                DefaultTimeoutMs = 1_000,
                MaxTimeoutMs = 2_000,
                MaxQueuedTasks = 10,
                MaxQueuedBytes = 2L << 30,
                MaxPayloadBytes = 64 << 10,
                MaxStreamBytes = 8_192,
                RetainTasks = 7,
                RetainMinutes = 8,
            },
            settings.Runtime);
    }

    [Theory]
    [InlineData("workers:\n  max_per_pol: 3\n", 2, 3, "workers.max_per_pol", "did you mean 'workers.max_per_pool'")]
    [InlineData("wrokers:\n  spares: 1\n", 1, 1, "wrokers", "did you mean 'workers'")]
    [InlineData("zzzzzzzz: 1\n", 1, 1, "zzzzzzzz", "there are: socket, http_port")]
    [InlineData("http_port: 70000\n", 1, 12, "http_port", "from 1 to 65535, or 0: none, not '70000'")]
    [InlineData("http_port: -1\n", 1, 12, "http_port", "not '-1'")]
    [InlineData("http_port: many\n", 1, 12, "http_port", "not 'many'")]
    [InlineData("http_port: [1]\n", 1, 12, "http_port", "whole number")]
    [InlineData("workers: 3\n", 1, 10, "workers", "is a section")]
    [InlineData("socket: wayang.sock\n", 1, 9, "socket", "absolute path")]
    [InlineData("limits:\n  queued_tasks: 1MiB\n", 2, 17, "limits.queued_tasks", "not '1MiB'")]
    [InlineData("limits:\n  queued_bytes: 9999999999GiB\n", 2, 17, "limits.queued_bytes", "9999999999GiB")]
    [InlineData("limits:\n  max_timeout_ms: 5\n", 2, 19, "limits.default_timeout_ms", "must not exceed")]
    public void A_wrong_file_is_told_with_place_key_and_remedy(string text, int line, int column, string key, string words)
    {
        var error = Assert.Throws<ConfigurationException>(() => ConfigurationFile.Parse(File, text));

        Assert.Equal((line, column, key), ((int)error.Line, (int)error.Column, error.Key));
        Assert.StartsWith($"{File}:{line}:{column}: '{key}':", error.Message, StringComparison.Ordinal);
        Assert.Contains(words, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a: [1\n")]
    [InlineData("http_port: 1\nhttp_port: 2\n")]
    [InlineData("- a\n")]
    [InlineData("a: &x [*x]\n")]
    public void What_is_no_configuration_is_refused(string text) =>
        Assert.Throws<ConfigurationException>(() => ConfigurationFile.Parse(File, text));

    [Fact]
    public void A_missing_file_is_named()
    {
        var error = Assert.Throws<ConfigurationException>(() => ConfigurationFile.Read("/does/not/exist.yaml"));

        Assert.Contains("/does/not/exist.yaml", error.Message, StringComparison.Ordinal);
        Assert.Contains("--config", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_readme_has_the_table_of_every_key()
    {
        var readme = System.IO.File.ReadAllText(Path.Combine(Repository.Root, "README.md"));

        Assert.True(readme.Contains(ConfigurationText.Tables(), StringComparison.Ordinal), $"README.md, 'Configure it', must hold:\n{ConfigurationText.Tables()}");
    }

    [Fact]
    public void The_readmes_own_example_is_good()
    {
        var readme = System.IO.File.ReadAllText(Path.Combine(Repository.Root, "README.md"));
        var start = readme.IndexOf("```yaml\n", StringComparison.Ordinal) + "```yaml\n".Length;

        Assert.Single(ConfigurationFile.Parse("/README.md", readme[start..readme.IndexOf("```", start, StringComparison.Ordinal)]).Images);
    }

    [Fact]
    public void The_example_is_good_sets_the_defaults_and_covers_every_key()
    {
        var example = ConfigurationText.Example();
        Assert.Equal(new FileSettings().Runtime, ConfigurationFile.Parse(File, example).Runtime);

        // With what stands behind '#' (but sentences) every key is given.
        var lines = example.Split('\n').Select(static l => l.StartsWith('#') && (l[1] != ' ' || l[2] == ' ') ? l[1..] : l).ToList();
        var all = NodeConfiguration.Of(new ConfigurationInput { Path = File, Text = string.Join('\n', lines) });

        // Two names of one setting with different values are the only thing that may be wrong then.
        Assert.All(all.Problems, static p => Assert.Contains("keep one", p.Reason, StringComparison.Ordinal));
        Assert.Equal(3, all.Settings.Images.Count);
        Assert.All(ConfigurationKeys.All, key => Assert.NotNull(all.SourceOf(ConfigurationKeys.Find(key.Setting)!)));
        Assert.All(ConfigurationKeys.All, key => Assert.Contains($" {key.LeafName}: ", " " + string.Join("\n ", lines.Select(static l => l.TrimStart())), StringComparison.Ordinal));
    }

    [Fact]
    public void Every_key_can_be_shown_and_has_words()
    {
        Assert.All(ConfigurationKeys.All, static key =>
        {
            Assert.EndsWith(".", key.Description, StringComparison.Ordinal);
            Assert.True(key.Apply is not null || key.SameAs is not null || key.Later is not null, $"{key.Name} does nothing");
            Assert.True(key.Read is not null || key.Sample is not null, $"{key.Name} has neither a default nor a sample");
            Assert.Equal(key, ConfigurationKeys.All.Single(k => k.EnvironmentName == key.EnvironmentName));
        });
    }
}
