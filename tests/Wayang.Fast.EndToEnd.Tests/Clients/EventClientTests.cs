using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.Versioning;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Wayang.Fast.Gateway.Auth;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Clients;

/// <summary>Other people's programs follow the events of a served node over REST, as server-sent events and as lines of JSON, while it is started again: each event once, none missing.</summary>
[Collection("runtimes")]
[SupportedOSPlatform("linux")]
[Trait("Promise", "COM5")]
public sealed class EventClientTests : ServeTest
{
    private const int Bound = 300_000;
    private const string Python = "/usr/bin/python3";
    private const string DaemonUid = "1900000000"; // as root; else the daemon is who starts it

    private static readonly string[] s_types = ["submitted", "started", "retrying", "succeeded", "failed", "cancelled", "timed_out", "rejected"];


    [Fact(Timeout = Bound)]
    public async Task Node_with_eventsource()
    {
        var modules = Path.Combine(Installation.Root, "out/clients/node/node_modules");
        Assert.SkipUnless(Directory.Exists(Path.Combine(modules, "eventsource")), $"{modules} is not filled: ./build.sh test does it where npm is there");
        await FollowAsync(("NODE_PATH", modules), ["node", "tests/clients/node/follow_events.js", .. s_types.Select(static t => "wayang.task." + t)]);
    }

    [Theory(Timeout = Bound)]
    [InlineData("--events")]
    [InlineData("--lines")]
    public async Task Python_with_urllib(string how)
    {
        Assert.SkipUnless(File.Exists(Python), $"{Python} is not there");
        await FollowAsync(null, [Python, "tests/clients/python/follow_events.py", how]);
    }

    [Fact(Timeout = Bound)]
    public async Task Shell_with_curl()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/curl"), "curl is not there");
        await FollowAsync(null, ["tests/clients/curl/follow_events.sh"]);
    }

    private async Task FollowAsync((string Name, string Value)? variable, string[] command)
    {
        var (port, secret) = (FreePort(), await PrepareAsync());
        Configure(string.Create(
            CultureInfo.InvariantCulture, $"state: {{directory: {StateDirectory}}}\nhttp_port: 0\nrest: {{address: '127.0.0.1:{port}'}}\nrpc_tcp: {{tokens_file: {StateDirectory}/tokens}}\n"));
        var told = new ConcurrentQueue<string>();
        Process? follower = null;
        try
        {
            await using (var serve = await StartAsync())
            {
                follower = Start(command, variable, $"http://127.0.0.1:{port}/v1/events?type=wayang.task", secret, told);
                await CompareAsync(serve, told);
                await EndAsync(serve);
            }

            // Nobody listens there now: it has to come back, and to say where it was.
            await using var again = await StartAsync();
            await CompareAsync(again, told);
            await EndAsync(again);
        }
        finally
        {
            follower?.Kill(entireProcessTree: true);
            follower?.Dispose();
        }
    }

    /// <summary>Makes some events; the follower is told of them and of all before, each once, in their order.</summary>
    private async Task CompareAsync(Orphanage serve, ConcurrentQueue<string> told)
    {
        await using var client = await ConnectAsync(serve);
        for (var i = 0; i < 5; i++)
        {
            await client.RunAsync(TaskSpec.Command(i % 2 == 0 ? "/bin/true" : "/bin/false") with { Durable = true }, cancellation: TestContext.Current.CancellationToken);
        }

        var all = await AllAsync(client);
        Assert.True(all.Count >= 15);
        await Eventually.TrueAsync($"it is told of {all.Count}, the last {all[^1]}; it was told {string.Join(' ', told)}", () => told.Contains(all[^1]));
        Assert.Equal(all, told.Where(static line => line != "open"));
    }

    private static async Task<List<string>> AllAsync(WayangClient client)
    {
        var batch = await client.ListEventsAsync(new EventQuery { Type = "wayang.task", Limit = 1_000 }, TestContext.Current.CancellationToken);
        return [.. batch.Events.Select(static e => string.Create(CultureInfo.InvariantCulture, $"{e.Sequence} {e.Type}"))];
    }

    private static Process Start(string[] command, (string Name, string Value)? variable, string address, string secret, ConcurrentQueue<string> told)
    {
        var start = new ProcessStartInfo(command[0].StartsWith("tests/", StringComparison.Ordinal) ? Path.Combine(Installation.Root, command[0]) : command[0], command[1..])
        {
            RedirectStandardOutput = true, UseShellExecute = false, WorkingDirectory = Installation.Root,
            Environment = { ["WAYANG_EVENTS_URL"] = address, ["WAYANG_TEST_TOKEN"] = secret },
        };
        if (variable is { } more)
        {
            start.Environment[more.Name] = more.Value;
        }

        var process = Process.Start(start)!;
        process.OutputDataReceived += (_, line) =>
        {
            if (line.Data is { Length: > 0 } text)
            {
                told.Enqueue(text);
            }
        };
        process.BeginOutputReadLine();
        return process;
    }

    /// <returns>The secret of a token that the daemon's user may read.</returns>
    private async Task<string> PrepareAsync()
    {
        var secret = AccessToken.NewSecret();
        TokenFile.Add(Path.Combine(StateDirectory, "tokens"), new AccessToken("reader", Tenant: 0, OperationScopes.Read, AccessToken.HashOf(secret), Expires: null));
        if (Installation.IsRoot)
        {
            using var chown = Process.Start("chown", ["-R", DaemonUid, StateDirectory]);
            await chown.WaitForExitAsync(TestContext.Current.CancellationToken);
        }

        return secret;
    }
}
