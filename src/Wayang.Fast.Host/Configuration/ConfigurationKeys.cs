using System.Globalization;

using Wayang.Fast.Client;
using Wayang.Fast.Execution;

namespace Wayang.Fast.Host.Configuration;

/// <summary>Every key there is, in the order of the documentation.</summary>
public static partial class ConfigurationKeys
{
    private const string TaskRunner = "runtime.agents.task_runner.";
    private const string Allocator = "runtime.agents.resource_allocator.";
    private const string PluginLoader = "runtime.agents.plugin_loader.";
    private const string Inference = "runtime.agents.model_inference.";
    private const int LongestPath = 4_095;
    private const int LargestMegabytes = 1 << 20;

    public static IReadOnlyList<ConfigurationKey> All { get; } = [.. Own(), .. OfScheduling(), .. OfLife(), .. OfLearning(), .. OfLedger(), .. OfEvents(), .. OfWebhooks(), .. OfAudit(), .. OfOci(), .. OfTheSpecification()];

    public static ConfigurationKey? Find(string name) => ByName.GetValueOrDefault(name);

    public static bool IsSection(string name) => Sections.Contains(name);

    /// <summary>The names, keys and sections, that may stand in a section ("" for the top), without what is before them.</summary>
    public static IReadOnlyList<string> NamesIn(string section)
    {
        var prefix = section.Length == 0 ? string.Empty : section + ".";
        var names = All.Select(static k => k.Name)
            .Where(n => n.StartsWith(prefix, StringComparison.Ordinal))
            .Select(n => n[prefix.Length..].Split('.')[0]);
        return [.. (section.Length == 0 ? names.Append(ImageSection.Name).Append(Profiles.ProfileSection.Name).Append(TenantSection.Name).Append(PeerSection.Name) : names).Distinct(StringComparer.Ordinal)];
    }

    private static readonly Dictionary<string, ConfigurationKey> ByName = All.ToDictionary(static k => k.Name, StringComparer.Ordinal);

    private static readonly HashSet<string> Sections = All
        .SelectMany(static k => Enumerable.Range(0, k.Name.Length).Where(i => k.Name[i] == '.').Select(i => k.Name[..i]))
        .ToHashSet(StringComparer.Ordinal);

    private static IEnumerable<ConfigurationKey> Own() =>
    [
        new("socket", KeyKind.Path, "Where clients connect; its directory must exist.")
        {
            Minimum = 1,
            Maximum = SocketPaths.MaxBytes,
            Change = KeyChange.Restart,
            Read = static s => s.SocketPath ?? string.Empty,
            Apply = static (s, v) => s with { SocketPath = v.Text },
            DefaultWords = "as root /run/wayang/wayang.sock, else in $XDG_RUNTIME_DIR/wayang/ or /tmp/wayang-UID/",
            Sample = "/run/wayang/wayang.sock",
        },
        new("http_port", KeyKind.Number, "/healthz, /readyz and /metrics on 127.0.0.1.")
        {
            Minimum = 1,
            Maximum = 65_535,
            ZeroMeans = "none",
            Change = KeyChange.Restart,
            Read = static s => Text(s.HttpPort ?? ServeOptions.DefaultHttpPort),
            Apply = static (s, v) => s with { HttpPort = (int)v.Number },
        },
        new("rpc_tcp.address", KeyKind.Address, "MessagePack-RPC over TCP, for those who show a token; without an address there is none.")
        {
            Change = KeyChange.Restart,
            Read = static s => s.RpcTcp.Address?.ToString() ?? string.Empty,
            Apply = static (s, v) => s with { RpcTcp = s.RpcTcp with { Address = RpcTcpSettings.ParseAddress(v.Text) } },
            DefaultWords = "none",
            Sample = "127.0.0.1:7800",
        },
        new("rpc_tcp.tokens_file", KeyKind.Path, "The file that 'wayang token create' makes, for all that listens on TCP; nobody else may read it.")
        {
            Minimum = 1,
            Maximum = LongestPath,
            Change = KeyChange.Restart,
            Read = static s => s.RpcTcp.TokensFile ?? string.Empty,
            Apply = static (s, v) => s with { RpcTcp = s.RpcTcp with { TokensFile = v.Text } },
            DefaultWords = "none",
            Sample = "/etc/wayang/tokens",
        },
        new("rpc_tcp.allow_remote", KeyKind.Flag, "Lets rpc_tcp.address be one that other hosts reach; without tls.certificate_file nothing there is encrypted.")
        {
            Change = KeyChange.Restart,
            Read = static s => s.RpcTcp.AllowRemote ? "true" : "false",
            Apply = static (s, v) => s with { RpcTcp = s.RpcTcp with { AllowRemote = v.Number == 1 } },
        },
        .. OfDoors(),
        .. OfTls(),
        .. OfNode(),
        .. OfPools(),
        Number("workers.concurrency", "Calls in flight in one worker; of workers that start from now on.", 1, 256, static r => r.CallConcurrency, static (r, n) => r with { CallConcurrency = (int)n }),
        Number("workers.spin_us", "Looks at the rings so long before it sleeps.", 1, 10_000, static r => r.SpinMicroseconds, static (r, n) => r with { SpinMicroseconds = (int)n })
            with { Unit = "us", ZeroMeans = "never", Change = KeyChange.Restart },
        .. OfWatchdog(),
        .. OfSecurity(),
        .. OfPreemption(),
        .. OfMigration(),
        Number("limits.concurrent_tasks", "Tasks that run at once over all pools.", 1, 1_000_000, static r => r.MaxConcurrentTasks, static (r, n) => r with { MaxConcurrentTasks = (int)n })
            with { ZeroMeans = "no bound beside the pools'" },
        Size("limits.worker_memory_bytes", "Memory of one worker or command that starts from now on; never over its profile's.", 16 << 20, 1L << 40, static r => r.WorkerMemoryBytes, static (r, n) => r with { WorkerMemoryBytes = n })
            with { ZeroMeans = "the profile's limit" },
        .. OfLimits(),
        Number("limits.default_timeout_ms", "Time of a task that names none, from dispatch to its end.", 1, uint.MaxValue, static r => r.DefaultTimeoutMs, static (r, n) => r with { DefaultTimeoutMs = (uint)n }) with { Unit = "ms" },
        Number("limits.max_timeout_ms", "The longest time that a task may ask for.", 1, uint.MaxValue, static r => r.MaxTimeoutMs, static (r, n) => r with { MaxTimeoutMs = (uint)n }) with { Unit = "ms" },
        Number("limits.queued_tasks", "Tasks that are queued or running.", 1, 100_000_000, static r => r.MaxQueuedTasks, static (r, n) => r with { MaxQueuedTasks = (int)n }) with { Change = KeyChange.LiveUpToStart },
        Size("limits.queued_bytes", "Inputs of all queued tasks together.", 1 << 20, 1L << 40, static r => r.MaxQueuedBytes, static (r, n) => r with { MaxQueuedBytes = n }),
        Size("limits.payload_bytes", "One input or output.", 4_096, 1 << 30, static r => r.MaxPayloadBytes, static (r, n) => r with { MaxPayloadBytes = (int)n }) with { Change = KeyChange.Restart },
        Size("limits.stream_bytes", "Kept of each of stdout and stderr; the rest is counted and dropped.", 4_096, 1 << 30, static r => r.MaxStreamBytes, static (r, n) => r with { MaxStreamBytes = (int)n }),
        .. OfStates(),
        Number("retention.tasks", "Ended tasks that are remembered.", 1, 10_000_000, static r => r.RetainTasks, static (r, n) => r with { RetainTasks = (int)n }) with { Change = KeyChange.LiveUpToStart },
        Number("retention.minutes", "How long an ended task is remembered.", 1, 10_080, static r => r.RetainMinutes, static (r, n) => r with { RetainMinutes = (int)n }) with { Unit = "min" },
    ];

    /// <summary>The names of the specification: served by keys of ours, or read and checked until something serves them.</summary>
    private static IEnumerable<ConfigurationKey> OfTheSpecification() =>
    [
        new(TaskRunner + "max_concurrent_tasks", KeyKind.Number, "Tasks that run at once over all pools.")
            { Minimum = 1, Maximum = 1_000_000, SameAs = "limits.concurrent_tasks", Sample = "50" },
        new(TaskRunner + "task_timeout_seconds", KeyKind.Number, "Time of a task that names none.")
            { Minimum = 1, Maximum = uint.MaxValue / 1000, Unit = "s", SameAs = "limits.default_timeout_ms", Factor = 1000, Sample = "3600" },
        new(TaskRunner + "memory_limit_mb", KeyKind.Number, "Memory of one worker or command, in MB of 2^20 bytes.")
            { Minimum = 16, Maximum = LargestMegabytes, Unit = "MB", SameAs = "limits.worker_memory_bytes", Factor = 1 << 20, Sample = "1024" },
        .. OfTheAllocator(),
        new(PluginLoader + "scan_interval_seconds", KeyKind.Number, "How often a directory of plugins is looked at.")
            { Minimum = 1, Maximum = 86_400, Unit = "s", Sample = "30", Later = "the plugin loader (until then: images, and 'wayang config reload')" },
        new(PluginLoader + "trusted_sources_only", KeyKind.Flag, "Loads signed plugins only.")
            { Sample = "true", Later = "signatures of plugins (until then whoever may connect may put one; it is loaded in its sandbox)" },
        new(PluginLoader + "sandbox_enabled", KeyKind.Flag, "Plugins are loaded and run in a sandbox.")
            { Sample = "true", Only = ("true", "nothing runs without its sandbox"), Apply = static (s, _) => s },
        new(Inference + "gpu_acceleration", KeyKind.Flag, "Models run on the GPU where there is one.") { Sample = "true", Later = "tasks of kind infer" },
        new(Inference + "batch_size", KeyKind.Number, "Inputs of one batch.") { Minimum = 1, Maximum = 4_096, Sample = "32", Later = "tasks of kind infer" },
        new(Inference + "model_cache_size_gb", KeyKind.Number, "Memory for models that are kept loaded.")
            { Minimum = 1, Maximum = 65_536, Unit = "GB", Sample = "2", Later = "tasks of kind infer" },
    ];

    private static ConfigurationKey Number(
        string name, string description, long minimum, long maximum, Func<RuntimeOptions, long> read, Func<RuntimeOptions, long, RuntimeOptions> apply) =>
        new(name, KeyKind.Number, description)
        {
            Minimum = minimum,
            Maximum = maximum,
            Read = s => Text(read(s.Runtime)),
            Apply = (s, v) => s with { Runtime = apply(s.Runtime, v.Number) },
        };

    private static ConfigurationKey Size(
        string name, string description, long minimum, long maximum, Func<RuntimeOptions, long> read, Func<RuntimeOptions, long, RuntimeOptions> apply) =>
        Number(name, description, minimum, maximum, read, apply) with { Kind = KeyKind.Size, Read = s => ValueReader.SizeText(read(s.Runtime)) };

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
