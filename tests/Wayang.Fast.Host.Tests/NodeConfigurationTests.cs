using System.Collections;
using Wayang.Fast.Execution;
using Wayang.Fast.Host.Configuration;
using Xunit;

namespace Wayang.Fast.Host.Tests;

/// <summary>What the sources of a configuration come to together.</summary>
[Trait("Promise", "CFG")]
public sealed class NodeConfigurationTests
{
    private const string Sample =
        """
        runtime:
          agents:
            task_runner:
              max_concurrent_tasks: 50
              task_timeout_seconds: 3600
              memory_limit_mb: 1024
            
            resource_allocator:
              cpu_shares: 0.5
              memory_reservation_mb: 512
              disk_quota_gb: 10
            
            plugin_loader:
              scan_interval_seconds: 30
              trusted_sources_only: true
              sandbox_enabled: true
            
            model_inference:
              gpu_acceleration: true
              batch_size: 32
              model_cache_size_gb: 2
        """;

    [Fact]
    public void The_specifications_sample_loads_as_it_stands()
    {
        var configuration = Of(Sample).OrThrow();

        Assert.Equal(
            new RuntimeOptions { MaxConcurrentTasks = 50, DefaultTimeoutMs = 3_600_000, WorkerMemoryBytes = 1L << 30, WorkerCpuWeight = 50, WorkerReservedBytes = 512L << 20, WorkerDiskBytes = 10L << 30 },
            configuration.Settings.Runtime);
        Assert.Equal(
            [
                "scan_interval_seconds", "trusted_sources_only", "gpu_acceleration",
                "batch_size", "model_cache_size_gb",
            ],
            configuration.Notices.Select(static n => n.Key.Split('.')[^1]));
        Assert.All(configuration.Notices, static n => Assert.Contains("not active yet; it will be served by ", n.Reason, StringComparison.Ordinal));
    }

    [Fact]
    public void Command_line_goes_before_environment_before_file_before_defaults()
    {
        var configuration = NodeConfiguration.Of(new ConfigurationInput
        {
            Path = "n.yaml",
            Text = "socket: /a\nhttp_port: 1\nworkers: {spares: 3}\nlimits: {queued_tasks: 9}\n",
            Environment = [("WAYANG__HTTP_PORT", "2"), ("wayang__Limits__Queued_Tasks", "10"), ("WAYANG__SOCKET", "/b")],
            Socket = "/c",
        }).OrThrow();

        Assert.Equal(("/c", 2, 3, 10), (configuration.Settings.SocketPath, configuration.Settings.HttpPort, configuration.Settings.Runtime.SpareWorkers, configuration.Settings.Runtime.MaxQueuedTasks));
        Assert.Equal("command line --socket", Source("socket"));
        Assert.Equal("environment WAYANG__HTTP_PORT", Source("http_port"));
        Assert.Equal("environment wayang__Limits__Queued_Tasks", Source("limits.queued_tasks"));
        Assert.Equal("n.yaml:3:19", Source("workers.spares"));
        Assert.Null(Source("retention.tasks"));

        string? Source(string key) => configuration.SourceOf(ConfigurationKeys.Find(key)!)?.Place.ToString();
    }

    [Theory]
    [InlineData("WAYANG__LIMITS__QUEUED_TASK", "1", "environment WAYANG__LIMITS__QUEUED_TASK: no such key; did you mean WAYANG__LIMITS__QUEUED_TASKS?")]
    [InlineData("WAYANG__QQQQQQQQ", "1", "environment WAYANG__QQQQQQQQ: no such key; 'wayang config show' lists them, WAYANG__LIMITS__QUEUED_TASKS is one")]
    [InlineData("WAYANG__HTTP_PORT", "x", "environment WAYANG__HTTP_PORT: 'http_port': must be a whole number from 1 to 65535, or 0: none, not 'x'")]
    [InlineData("WAYANG__HTTP_PORT", "", "environment WAYANG__HTTP_PORT: 'http_port': has no value; it must be a whole number from 1 to 65535, or 0: none")]
    [InlineData("WAYANG__IMAGES__0__NAME", "x", "environment WAYANG__IMAGES__0__NAME: 'images': is a list; give it in the file")]
    public void A_wrong_variable_is_told(string name, string value, string expected)
    {
        var problems = NodeConfiguration.Of(new ConfigurationInput { Environment = [(name, value)] }).Problems;

        Assert.Equal([expected], problems.Select(static p => p.ToString()));
    }

    [Fact]
    public void A_variable_given_twice_in_different_case_is_told()
    {
        var problems = NodeConfiguration.Of(new ConfigurationInput { Environment = [("WAYANG__HTTP_PORT", "1"), ("wayang__http_port", "1")] }).Problems;

        Assert.Equal("environment wayang__http_port: 'http_port': is given twice, differing in case: also by environment WAYANG__HTTP_PORT", Assert.Single(problems).ToString());
    }

    [Fact]
    public void Only_variables_with_the_prefix_are_meant()
    {
        var variables = new Hashtable { ["WAYANG_NATIVE"] = "/x", ["WAYANG__B"] = "1", ["wayang__a"] = "2", ["PATH"] = "/bin" };

        Assert.Equal([("WAYANG__B", "1"), ("wayang__a", "2")], EnvironmentOverrides.Of(variables));
    }

    [Fact]
    public void Both_names_of_a_setting_may_agree_and_a_later_source_goes_before_either()
    {
        const string both = "limits: {default_timeout_ms: 5000}\nruntime: {agents: {task_runner: {task_timeout_seconds: 5}}}\n";
        Assert.Equal(5000u, Of(both).OrThrow().Settings.Runtime.DefaultTimeoutMs);

        var overridden = NodeConfiguration.Of(new ConfigurationInput
        {
            Path = "n",
            Text = Sample,
            Environment = [("WAYANG__LIMITS__CONCURRENT_TASKS", "7")],
        });
        Assert.Equal(7, overridden.OrThrow().Settings.Runtime.MaxConcurrentTasks);
    }

    [Fact]
    public void Images_are_read_relative_to_the_file()
    {
        var images = NodeConfiguration.Of(new ConfigurationInput
        {
            Path = "/etc/wayang/node.yaml",
            Text = """
                images:
                  - {name: text, kind: c, file: plugins/text.so}
                  - name: score
                    kind: python
                    file: /srv/score.py
                    preload: [json, os.path]
                    profile: standard
                  - {name: shell, kind: command, profile: standard}
                """,
        }).OrThrow().Settings.Images;

        Assert.Equal(["/etc/wayang/plugins/text.so", "/srv/score.py", null], images.Select(static i => i.File));
        Assert.Equal(["json", "os.path"], images[1].Preload);
        Assert.Equal([null, "standard", "standard"], images.Select(static i => i.Profile));
    }

    [Fact]
    public void A_bundle_gives_back_what_went_in_and_is_read_from_its_beginning_only_once()
    {
        var directory = Directory.CreateTempSubdirectory("wayang-bundle-");
        try
        {
            var file = Path.Combine(directory.FullName, "node.yaml");
            File.WriteAllText(file, "images:\n  - {name: a, kind: c, file: a.so}\n  - {name: s, kind: command}\n  - {name: b, kind: c, file: b.so}\n");
            File.WriteAllBytes(Path.Combine(directory.FullName, "a.so"), [1, 2, 3]);
            File.WriteAllBytes(Path.Combine(directory.FullName, "b.so"), [4]);
            var input = ConfigurationInput.Gather(file, "/x") with { Environment = [("WAYANG__HTTP_PORT", "5")] };

            var back = ConfigurationBundle.FromDescriptor(ConfigurationBundle.Gather(input).ToDescriptor());

            Assert.Equal(("/x", 5), (back.Configuration.Settings.SocketPath, back.Configuration.Settings.HttpPort));
            Assert.Equal(["a", "s", "b"], back.Images.Select(static i => i.Image.Name));
            Assert.True(back.Images[1].Content.IsEmpty);
            Assert.Equal([4], back.Images[2].Content.ToArray());
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    [Fact]
    public void A_damaged_bundle_is_refused_with_words()
    {
        var directory = Directory.CreateTempSubdirectory("wayang-bundle-");
        try
        {
            var file = Path.Combine(directory.FullName, "node.yaml");
            File.WriteAllText(file, "images:\n  - {name: a, kind: c, file: node.yaml}\n");
            var good = Content(ConfigurationBundle.Gather(ConfigurationInput.Gather(file)).ToDescriptor());
            Assert.Single(ConfigurationBundle.FromDescriptor(Descriptor(good)).Images);
            var random = new Random(7);
            for (var round = 0; round < 3_000; round++)
            {
                var damaged = good[..(round < good.Length ? round : good.Length)];
                for (var i = 0; i < 3 && damaged.Length > 0 && round >= good.Length; i++)
                {
                    damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
                }

                try
                {
                    ConfigurationBundle.FromDescriptor(Descriptor(damaged.Length == 0 ? [0] : damaged));
                }
                catch (ConfigurationException error)
                {
                    Assert.NotEmpty(error.Message);
                }
            }
        }
        finally
        {
            directory.Delete(recursive: true);
        }

        static int Descriptor(byte[] content) => Interop.Descriptors.CreateSealedMemory("test", content);

        static byte[] Content(int descriptor)
        {
            using var stream = new FileStream(new Microsoft.Win32.SafeHandles.SafeFileHandle(descriptor, ownsHandle: true), FileAccess.Read);
            var content = new byte[stream.Length];
            stream.ReadExactly(content);
            return content;
        }
    }

    [Fact]
    public void A_change_is_told_from_what_to_what_and_whether_it_is_in_force()
    {
        var before = Of("http_port: 1\nlimits: {queued_bytes: 1GiB}\n").Settings;
        var wanted = Of("http_port: 2\nlimits: {queued_bytes: 2MiB}\nretention: {tasks: 200000}\n").Settings;
        var applied = wanted with { HttpPort = 1, Runtime = wanted.Runtime with { RetainTasks = 100_000 } };

        Assert.Equal(
            [
                "http_port: 1 -> 2 needs a restart of the runtime; until then 1",
                "limits.queued_bytes: 1GiB -> 2MiB",
                "retention.tasks: 100000 -> 200000 needs a restart of the runtime; until then 100000",
            ],
            ConfigurationChange.Between(before, wanted, applied).Select(static c => c.ToString()));
    }

    [Fact]
    public void Secrets_are_never_printed()
    {
        var key = new ConfigurationKey("door.secret", KeyKind.Path, "A secret.") { Minimum = 1, Maximum = 9, IsSecret = true };

        Assert.DoesNotContain("hunter2", ValueReader.TryRead(key, "hunter2", out _), StringComparison.Ordinal);
        Assert.Equal("door.secret: (secret) -> (another secret)", new ConfigurationChange(key, "hunter2", "hunter3", NeedsRestart: false).ToString());
        Assert.DoesNotContain("hunter2", new ConfigurationChange(key, "hunter2", "hunter3", NeedsRestart: true).ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void What_a_profile_allows_is_read_from_the_policy_and_a_limit_above_it_is_told()
    {
        var limits = PolicyMemory.Read(Path.Combine(Repository.Root, "native/policy"));

        Assert.Equal(1L << 30, limits["compute"]);
        Assert.Equal(
            ["limits.worker_memory_bytes is 2GiB, but the profile compute allows 1GiB: its workers get that (policy/compute.profile)"],
            PolicyMemory.Conflicts(2L << 30, limits));
        var options = new RuntimeOptions { WorkerMemoryBytes = 3L << 30, ProfileMemoryBytes = limits };
        Assert.Equal((1L << 30, 2L << 30, 0L), (options.WorkerMemory("compute"), options.WorkerMemory("standard"), options.WorkerMemory("unknown")));
    }

    private static NodeConfiguration Of(string text) => NodeConfiguration.Of(new ConfigurationInput { Path = "n.yaml", Text = text });
}
