using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Wayang.Fast.Execution;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Hostile;

/// <summary>What one task takes is not taken from others: what can be shown without a clock. Times: ./build.sh perf interference.</summary>
[Collection("runtimes")]
[Trait("Promise", "IM3")]
public sealed class InterferenceTests
{
    private const int Answers = 10;
    private const byte Batch = 16;
    private const byte Urgent = 48;

    /// <summary>Each answer is asked for and comes while the bomb runs, by the node's own word before and after it.</summary>
    [Fact]
    [Trait("Promise", "HM1")]
    public async Task The_daemon_says_that_it_is_ready_while_a_fork_bomb_runs()
    {
        var port = FreePort();
        await using var runtime = await RuntimeUnderTest.StartAsync(
            Installation.IsRoot ? Account.Root : Account.Unprivileged, string.Create(CultureInfo.InvariantCulture, $"http_port: {port}\n"));
        await using var client = await runtime.ConnectAsync();
        var features = (await client.NodeInfoAsync()).Features;
        Assert.SkipUnless(features.Contains("PidsGroup") && features.Contains("MemoryGroup"), "a bomb is let off only where the host holds it: no groups here");
        using var http = new HttpClient { Timeout = Eventually.Patience };
        var place = new Uri(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}/readyz"));
        await Eventually.ValueAsync("the daemon answers HTTP", async () => await TryAskAsync(http, place));
        var bomb = TaskSpec.Command("/bin/sh", "-c", "bomb() { bomb | bomb & }; bomb; exec sleep 600") with
        {
            Class = TaskClass.Batch, Limits = new TaskLimits { Pids = 64, MemoryBytes = 256 << 20 }, Timeout = TimeSpan.FromMinutes(2),
        };
        var id = await client.SubmitAsync(bomb);
        await Eventually.ValueAsync("the bomb runs", async () => (await client.GetAsync(id)).State == TaskState.Running ? "" : null);

        for (var answered = 0; answered < Answers; answered++)
        {
            using var answer = await http.GetAsync(place);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Equal(TaskState.Running, (await client.GetAsync(id)).State);
        }

        await client.CancelAsync(id);
        Assert.Equal(CauseType.Cancelled, (await client.WaitAsync(id)).Cause.Type);
    }

    /// <summary>A worker's niceness is the class of its calls, whatever it served before.</summary>
    [Fact]
    [Trait("Promise", "RA2")]
    public async Task A_call_worker_weighs_as_the_class_of_its_calls()
    {
        using var node = new LiveNode(new RuntimeOptions { MaxWorkersPerPool = 1, SpareWorkers = 0 }); // else the second call may meet the spare
        await node.PutAsync("good", Plugins.Good);
        var endless = await node.FunctionAsync("good", "until_cancelled");
        var id = node.Begin(endless, [], out var ended, level: Batch);
        await LiveNode.UntilAsync(() => node.WorkerPids().Any(static p => NicenessOf(p) == 10), "the worker of a batch call is nice");
        var pid = node.WorkerPids().First(static p => NicenessOf(p) == 10);
        node.Cancel(id);
        await ended.Ended.WaitAsync(LiveNode.Patience);
        if (!Installation.IsRoot)
        {
            return; // who is not root can make it nicer only
        }

        id = node.Begin(endless, [], out ended, level: Urgent);
        await LiveNode.UntilAsync(() => NicenessOf(pid) == -5, "the same worker with an urgent call goes before others");
        node.Cancel(id);
        await ended.Ended.WaitAsync(LiveNode.Patience);
    }

    // The 19th field of /proc/PID/stat; the second one, in brackets, may hold blanks.
    private static int? NicenessOf(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            return int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[16], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return null; // it is gone
        }
    }

    private static async Task<string?> TryAskAsync(HttpClient http, Uri place)
    {
        try
        {
            return await http.GetStringAsync(place);
        }
        catch (HttpRequestException)
        {
            return null; // not yet
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
