using System.Diagnostics;
using System.Globalization;
using System.Runtime.Versioning;
using System.Text.Json;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Configuration;

/// <summary>The section <c>tenants:</c> of a real <c>wayang serve</c>: shares, ageing, bounds, whose a caller is.</summary>
[Collection("runtimes")]
[Trait("Promise", "RA4")]
[SupportedOSPlatform("linux")]
public sealed class TenantTests(ITestOutputHelper output) : ServeTest
{
    private const int Bound = 300_000;
    private static readonly bool s_long = Environment.GetEnvironmentVariable("WAYANG_TEST_LONG") == "1";

    [Fact(Timeout = Bound)]
    public async Task Slot_time_follows_the_weights_whichever_pools_the_tasks_are_in()
    {
        var port = FreePort();
        Configure($$"""
            http_port: 0
            rpc_tcp: {address: '127.0.0.1:{{port}}', tokens_file: {{Scratch}}/tokens}
            limits: {concurrent_tasks: 2}
            workers: {max_per_pool: 3}
            tenants:
              - {name: light, weight: 100}
              - {name: middle, weight: 200}
              - {name: heavy, id: 3, weight: 400}
            images: [{name: slow, kind: c, file: slow.so}]
            """);
        File.Copy(Installation.SlowPlugin, Path.Combine(Scratch, "slow.so"));
        string[] names = ["light", "middle", "heavy"];
        var tokens = new List<string>();
        foreach (var name in names)
        {
            var (code, token, told) = await WayangAsync(["token", "create", "--name", name, "--tenant", name, "--config", ConfigurationPath, "--file", Path.Combine(Scratch, "tokens")]);
            Assert.True(code == 0, told);
            tokens.Add(token.Trim());
        }

        await using var serve = await StartAsync();
        await using var operatorsOwn = await ConnectAsync(serve);
        using var stop = new CancellationTokenSource();
        var clients = new List<WayangClient>();
        var loads = new List<Task>();
        foreach (var token in tokens)
        {
            var client = await WayangClient.ConnectAsync(new WayangClientOptions { Endpoint = WayangEndpoint.Tcp("127.0.0.1", port), Token = token });
            clients.Add(client);
            loads.AddRange(Enumerable.Range(0, 5).Select(_ => RepeatAsync(client, TaskSpec.Call("slow", "slow_echo", "4000 x"u8.ToArray()), stop.Token)));
            loads.AddRange(Enumerable.Range(0, 5).Select(_ => RepeatAsync(client, TaskSpec.Command("/bin/sleep", "0.01"), stop.Token)));
        }

        await Eventually.ValueAsync("all are served", async () => (await HadAsync()).All(static t => t.Finished > 20) ? "" : null);
        var before = await HadAsync();
        var enough = before.Sum(static t => t.SlotMicroseconds) + (s_long ? 30_000_000 : 4_000_000);
        await Eventually.ValueAsync("enough slot time was had to be shared", async () => (await HadAsync()).Sum(static t => t.SlotMicroseconds) >= enough ? "" : null);
        var shares = Array.Empty<double>();
        try
        {
            // A machine that stands still while a task has its slot is paid back later: looked at again before it counts as unfair.
            await Eventually.ValueAsync("slot time within 5 % of the weights", async () =>
            {
                var had = (await HadAsync()).Zip(before, static (a, b) => (double)(a.SlotMicroseconds - b.SlotMicroseconds)).ToArray();
                shares = [.. had.Select(h => h / had.Sum())];
                return shares.Select(static (s, i) => Math.Abs((s * 7 / (1 << i)) - 1)).Max() <= 0.05 ? "" : null;
            });
        }
        finally
        {
            output.WriteLine($"shares {string.Join(" : ", shares.Select(static s => s.ToString("F3", CultureInfo.InvariantCulture)))} of weights 1:2:4");
            await stop.CancelAsync();
        }

        await Task.WhenAll(loads);
        Assert.Equal("heavy", Assert.Single(await clients[2].ListTenantsAsync()).Name); // another than the default one sees itself
        var (_, json, _) = await WayangAsync(["tenants", "--json", "--socket", SocketOf(serve)]);
        var listed = JsonDocument.Parse(json).RootElement.GetProperty("tenants").EnumerateArray().ToDictionary(static t => t.GetProperty("name").GetString()!, static t => t.GetProperty("weight").GetInt32());
        Assert.Equal((100, 200, 400), (listed["light"], listed["middle"], listed["heavy"]));
        var (_, top, _) = await WayangAsync(["top", "--once", "--socket", SocketOf(serve)]);
        Assert.Contains("\nTENANT ", top, StringComparison.Ordinal);
        foreach (var client in clients)
        {
            await client.DisposeAsync();
        }

        await EndAsync(serve);

        async Task<List<TenantInfo>> HadAsync()
        {
            var all = await operatorsOwn.ListTenantsAsync();
            return [.. names.Select(n => all.Single(t => t.Name == n))];
        }
    }

    [Fact(Timeout = Bound)]
    public async Task A_starving_task_of_class_idle_runs_within_its_ageing_bound()
    {
        Configure("http_port: 0\nlimits: {concurrent_tasks: 1}\nscheduling: {ageing: {idle_s: 1, batch_s: 1, normal_s: 1, urgent_s: 1}}\n");
        await using var serve = await StartAsync();
        await using var client = await ConnectAsync(serve);
        using var stop = new CancellationTokenSource();
        var urgent = TaskSpec.Command("/bin/sleep", "0.01") with { Class = TaskClass.Urgent };
        var loads = Enumerable.Range(0, 8).Select(_ => RepeatAsync(client, urgent, stop.Token)).ToList();
        await Eventually.ValueAsync("the urgent ones run", async () => (await client.ListTenantsAsync())[0].Finished > 10 ? "" : null);

        var began = Stopwatch.GetTimestamp();
        var idle = await client.RunAsync(TaskSpec.Command("/bin/true") with { Class = TaskClass.Idle });
        var waited = Stopwatch.GetElapsedTime(began);
        await stop.CancelAsync();
        await Task.WhenAll(loads);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"waited {waited.TotalSeconds:F2} s"));
        Assert.Equal(TaskState.Succeeded, idle.State);
        Assert.InRange(waited.TotalSeconds, 1, 4 + 3); // starves until it is lifted; four bounds of 1 s, and what a busy machine adds
        await EndAsync(serve);
    }

    [Fact(Timeout = Bound)]
    [Trait("Promise", "RA2")]
    public async Task A_user_of_the_socket_is_the_tenant_that_names_it_with_its_bounds_which_a_reload_changes()
    {
        Assert.SkipUnless(Installation.IsRoot, "the user that connects is root here");
        Configure("http_port: 0\ntenants: [{name: ops, id: 5, users: [root], max_running: 1, max_queued: 1, highest_class: normal, connect: ['*.example.org:443']}]\n");
        await using var serve = await StartAsync();
        await using var client = await ConnectAsync(serve);
        var first = await client.SubmitAsync(TaskSpec.Command("/bin/sleep", "600"));
        await Eventually.ValueAsync("it runs", async () => (await client.GetAsync(first)).State == TaskState.Running ? "" : null);
        var second = await client.SubmitAsync(TaskSpec.Command("/bin/true"));
        await Eventually.ValueAsync("it waits for its tenant", async () => (await client.ExplainAsync(second)).Text.Contains("Its tenant 'ops' runs as many tasks as it may (1, max_running", StringComparison.Ordinal) ? "" : null);
        await RefusedAsync(ErrorCode.ResourceExhausted, "tenant 'ops' has 1 tasks queued: its bound max_queued", TaskSpec.Command("/bin/true"));
        await RefusedAsync(ErrorCode.PermissionDenied, "tenant 'ops' may use the classes up to normal, not urgent", TaskSpec.Command("/bin/true") with { Class = TaskClass.Urgent });
        await RefusedAsync(
            ErrorCode.PermissionDenied, "connect=example.com:443 is more than tenant ops may be granted: *.example.org:443 (tenants: connect)",
            TaskSpec.Command("/bin/true") with { Profile = "network", GrantedConnections = ["example.com:443"] });
        var own = Assert.Single(await client.ListTenantsAsync());
        Assert.Equal(("ops", 5, 1, 1, 1, 1, 2L), (own.Name, own.Id, own.MaxRunning, own.MaxQueued, own.Running, own.Queued, own.Refused));

        Configure("http_port: 0\ntenants: [{name: ops, id: 5, users: [0], max_running: 2, weight: 7}]\n");
        Assert.Equal(0, (await ReloadAsync(serve)).Code);
        Assert.Equal(TaskState.Succeeded, (await client.WaitAsync(second)).State);
        const string told = "reload: tenant 'ops': id 5, weight 100, max_running 1, max_queued 1, highest_class normal, connect *.example.org:443, users 0 -> id 5, weight 7, max_running 2, users 0\n";
        await Eventually.TrueAsync("what changed is told", () => serve.Log.Contains(told, StringComparison.Ordinal));
        Assert.Equal(TaskState.Succeeded, (await client.RunAsync(TaskSpec.Command("/bin/true") with { Class = TaskClass.Urgent })).State);
        await client.CancelAsync(first);
        await EndAsync(serve);

        async Task RefusedAsync(ErrorCode code, string told, TaskSpec task)
        {
            var refused = await Assert.ThrowsAsync<WayangException>(() => client.SubmitAsync(task));
            Assert.Equal(code, refused.Code);
            Assert.Contains(told, refused.Message, StringComparison.Ordinal);
        }
    }

    /// <summary>One after the other until it is stopped.</summary>
    private static async Task RepeatAsync(WayangClient client, TaskSpec task, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            Assert.Equal(TaskState.Succeeded, (await client.RunAsync(task, cancellation: CancellationToken.None)).State);
        }
    }
}
