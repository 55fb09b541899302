using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Peers;

/// <summary>Two real nodes that hand calls to each other: alpha, the home of all of them, and beta. They are copies of the program in which hand-overs can be halted at each of their steps.</summary>
internal sealed class MovingNodes : IAsyncDisposable
{
    public const string Home = "alpha";
    public const string Host = "beta";

    private const string DaemonUid = "1900000000";

    private readonly PeerNodes _nodes;
    private readonly string _wayang;
    private readonly string _halts;
    private readonly int _leaseMs;

    private readonly string _ofHome;
    private readonly string _ofMigration;

    private MovingNodes(PeerNodes nodes, int leaseMs, string ofHome, string ofMigration)
    {
        _nodes = nodes;
        _leaseMs = leaseMs;
        (_ofHome, _ofMigration) = (ofHome, ofMigration);
        _wayang = Path.Combine(nodes.Place, "bin", "wayang");
        _halts = Directory.CreateDirectory(Path.Combine(nodes.Place, "halts")).FullName;
    }

    public RuntimeUnderTest this[string name] => _nodes[name];

    /// <summary>Both run, know each other, and have the same images.</summary>
    /// <param name="leaseMs">After how long each counts the other as lost.</param>
    /// <param name="through">See <see cref="PeerNodes.Through"/>.</param>
    /// <param name="ofHome">Lines of configuration that alpha alone has.</param>
    /// <param name="ofMigration">More keys of the section migration, of both.</param>
    public static async Task<MovingNodes> StartAsync(int leaseMs = 2_000, Func<string, int, int>? through = null, string ofHome = "", string ofMigration = "")
    {
        Assert.SkipUnless(Installation.Missing is null, Installation.Missing ?? "");
        var nodes = new MovingNodes(PeerNodes.Prepare(through, Home, Host), leaseMs, ofHome, ofMigration);
        try
        {
            nodes.CopyProgram();
            await Task.WhenAll(nodes.StartNodeAsync(Home), nodes.StartNodeAsync(Host));
            await nodes.KnowEachOtherAsync();
            return nodes;
        }
        catch
        {
            await nodes.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts a node in its place, again after its end.</summary>
    public Task StartNodeAsync(string name)
    {
        var state = Directory.CreateDirectory(Path.Combine(_nodes.Place, name)).FullName;
        Give(_nodes.Place);
        return _nodes.StartAsync(
            name,
            $"state: {{directory: {state}}}\nmigration: {{compute: transparent, lease_ms: {_leaseMs.ToString(CultureInfo.InvariantCulture)}{_ofMigration}}}\n{(string.Equals(name, Home, StringComparison.Ordinal) ? _ofHome : "")}",
            wayang: _wayang,
            environment: new Dictionary<string, string?>(StringComparer.Ordinal) { ["WAYANG_HALT_AT"] = _halts });
    }

    /// <summary>Each reaches the other, and has the images.</summary>
    public async Task KnowEachOtherAsync()
    {
        await _nodes.AwaitAsync(Home, Host, PeerState.Connected);
        await _nodes.AwaitAsync(Host, Home, PeerState.Connected);
        foreach (var name in (string[])[Home, Host])
        {
            await using var client = await this[name].ConnectAsync();
            await PutImageAsync(client);
        }
    }

    public static async Task PutImageAsync(WayangClient client)
    {
        var plugin = Path.Combine(Path.GetDirectoryName(Installation.SlowPlugin)!, "chain_plugin.so");
        await client.PutImageAsync("c", await File.ReadAllBytesAsync(plugin, TestContext.Current.CancellationToken), "chains", TestContext.Current.CancellationToken);
    }

    /// <summary>Both have the Python calls of tests/jobs.</summary>
    public async Task PutJobsAsync()
    {
        var source = await File.ReadAllBytesAsync(Path.Combine(Installation.Tree, "tests/jobs/jobs.py"), TestContext.Current.CancellationToken);
        foreach (var name in (string[])[Home, Host])
        {
            await using var client = await this[name].ConnectAsync();
            await client.PutImageAsync("python", source, new ImageNames { Name = "jobs", File = "jobs.py" }, TestContext.Current.CancellationToken);
        }
    }

    public Task<WayangClient> ConnectAsync(string name = Home) => this[name].ConnectAsync();

    /// <summary>A call that runs.</summary>
    public static async Task<TaskId> BeginAsync(
        WayangClient client, string function, long rounds, bool durable = false, string image = "chains", TaskClass? taskClass = null, int attempts = 1)
    {
        var input = Encoding.ASCII.GetBytes(rounds.ToString(CultureInfo.InvariantCulture));
        var spec = TaskSpec.Call(image, function, input) with { Durable = durable ? true : null, Class = taskClass, Retry = attempts > 1 ? new RetrySpec(attempts) : null };
        var id = await client.SubmitAsync(spec, TestContext.Current.CancellationToken);
        await Eventually.ValueAsync($"{id} runs", async () => (await client.GetAsync(id, TestContext.Current.CancellationToken)).State >= TaskState.Running ? "" : null);
        return id;
    }

    /// <summary>Moves a call, again while it is just being started, or just between two nodes.</summary>
    /// <returns>Null: it has ended.</returns>
    public static async Task<TaskMoves?> MoveAsync(WayangClient client, TaskId id, string? node)
    {
        while (true)
        {
            try
            {
                return await client.MigrateAsync(id, node, TestContext.Current.CancellationToken);
            }
            catch (WayangException refused) when (refused is { Code: ErrorCode.Conflict, RetryAfter: not null })
            {
                await Task.Delay(2, TestContext.Current.CancellationToken);
            }
            catch (WayangException refused) when (refused.Code is ErrorCode.InvalidArgument or ErrorCode.Conflict && refused.Message.Contains("ended", StringComparison.Ordinal))
            {
                return null;
            }
        }
    }

    /// <summary>What a node tells of a call that went on there from what was written down, once: it says so a moment after it has told the home.</summary>
    public static Task<string> ContinuedAsync(WayangClient client, TaskId id) => Eventually.ValueAsync($"{id} is told to go on", async () =>
        (await client.ListEventsAsync(new EventQuery { Task = id, Type = "wayang.task.continued" })).Events is { Count: > 0 } told ? Assert.Single(told).Data : null);

    /// <summary>Whoever comes to this step next stands there until <see cref="GoOn"/>.</summary>
    public void Arm(HandoverPoint point) => File.WriteAllText(Path.Combine(_halts, $"{point}.arm"), string.Empty);

    public Task ReachedAsync(HandoverPoint point) => Eventually.TrueAsync($"{point} is reached", () => File.Exists(Path.Combine(_halts, $"{point}.halt")));

    /// <summary>Nothing stands any more.</summary>
    public void GoOn()
    {
        foreach (var file in Directory.GetFiles(_halts))
        {
            File.Delete(file);
        }
    }

    /// <summary>Files of calls that lie on a node's disk.</summary>
    public string[] FilesOf(string name) => Directory.Exists(Path.Combine(_nodes.Place, name, "checkpoints"))
        ? [.. Directory.GetFiles(Path.Combine(_nodes.Place, name, "checkpoints")).Where(static f => Path.GetFileName(f) is not ("node.key" or "lock"))]
        : [];

    public ValueTask DisposeAsync() => _nodes.DisposeAsync();

    /// <summary>Faults exist where a program's own configuration says so: a copy of it says so.</summary>
    private void CopyProgram()
    {
        var (from, to) = (Path.GetDirectoryName(Installation.Wayang)!, Path.GetDirectoryName(_wayang)!);
        foreach (var file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }

        var path = Path.Combine(to, "wayang.runtimeconfig.json");
        var configuration = JsonNode.Parse(File.ReadAllText(path))!;
        configuration["runtimeOptions"]!["configProperties"]!["Wayang.Fast.FaultPoints"] = true;
        File.WriteAllText(path, configuration.ToJsonString());
    }

    private static void Give(string directory)
    {
        if (Installation.IsRoot)
        {
            using var give = Process.Start("chown", ["-R", DaemonUid, directory]);
            give.WaitForExit();
        }
    }
}
