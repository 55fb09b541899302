using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Wayang.Fast.Gateway.Auth;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Clients;

/// <summary>The C# client over gRPC and a real runtime, keeper first: on the unix socket, where the user says who calls, and over TCP with TLS, where a token does.</summary>
[Collection("runtimes")]
[Trait("Promise", "COM1")]
[Trait("Promise", "COM7")]
public sealed class GrpcClientTests : IDisposable
{
    private const int Bound = 300_000;
    private const string DaemonUid = "1900000000"; // as root; else the daemon is who starts it

    // Below /var/tmp, and open to the daemon's own user: tokens and keys in it are what is closed.
    private readonly string _directory = Directory.CreateDirectory("/var/tmp/wayang-grpc-client-" + Guid.NewGuid().ToString("N")).FullName;
    private readonly string _secret = AccessToken.NewSecret();
    private readonly int _port = FreePort();
    private readonly PrivateAuthority _authority;

    public GrpcClientTests() => _authority = new PrivateAuthority(Path.Combine(_directory, "pki"));

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Theory(Timeout = Bound)]
    [InlineData("unix")]
    [InlineData("tls")]
    public async Task Tasks_streams_and_refusals_are_those_of_the_node(string way)
    {
        await using var runtime = await StartAsync();
        await using var client = await WayangClient.ConnectAsync(OptionsOf(way), Cancellation);
        await client.PutImageAsync("c", await File.ReadAllBytesAsync(Plugins.GoodPath, Cancellation), "good", Cancellation);
        Assert.Equal("good", Assert.Single(await client.ListImagesAsync(Cancellation)).Name);
        var ran = await client.RunCallAsync("good", "reverse", "abc"u8.ToArray(), Cancellation);
        Assert.Equal((TaskState.Succeeded, "cba"), (ran.State, Encoding.UTF8.GetString(ran.Output.Span)));

        var id = await client.SubmitAsync(TaskSpec.Command("/bin/sh", "-c", "cat; echo said >&2; exit 3") with { Stdin = "given"u8.ToArray() }, Cancellation);
        var end = await client.WaitAsync(id, cancellation: Cancellation);
        Assert.Equal((CauseType.Exit, 3, "given", "said\n"), (end.Cause.Type, end.Cause.Value, Encoding.UTF8.GetString(end.Stdout.Span), Encoding.UTF8.GetString(end.Stderr.Span)));
        Assert.Equal((id, TaskState.Failed), ((await client.GetAsync(id, Cancellation)).Id, (await client.GetAsync(id, Cancellation)).State));
        await FollowAsync(client);

        var nowhere = await RefusedAsync(() => client.RunCallAsync("nowhere", "echo", cancellation: Cancellation));
        Assert.Equal((ErrorCode.NotFound, "image"), (nowhere.Code, nowhere.Field));
        var late = await RefusedAsync(() => client.WaitAsync(id, TimeSpan.FromDays(100), Cancellation));
        Assert.Equal((ErrorCode.InvalidArgument, "timeout_ms"), (late.Code, late.Field));
        var unknown = await RefusedAsync(() => client.CancelAsync(new TaskId(0, 99), Cancellation));
        Assert.Equal((ErrorCode.NotFound, "task"), (unknown.Code, unknown.Field));
    }

    [Theory(Timeout = Bound)]
    [InlineData("unix")]
    [InlineData("tls")]
    public async Task A_killed_daemon_ends_what_is_pending_and_its_events_go_on_where_the_reader_was(string way)
    {
        await using var runtime = await StartAsync();
        await using var client = await WayangClient.ConnectAsync(OptionsOf(way), Cancellation);
        Assert.True((await client.RunAsync(TaskSpec.Command("/bin/true") with { Durable = true }, cancellation: Cancellation)).Succeeded);
        var running = await client.SubmitAsync(TaskSpec.Command("/bin/sh", "-c", "echo begun; exec sleep 1000") with { Durable = true }, Cancellation);
        Assert.Equal("begun\n", Encoding.UTF8.GetString((await client.ReadOutputAsync(running, TaskStream.Stdout, wait: Eventually.Patience, cancellation: Cancellation)).Data.Span));
        var started = await Eventually.ValueAsync("its start is told", async () =>
            await client.ListEventsAsync(new EventQuery { Task = running, Type = "wayang.task.started", Limit = 1_000 }, Cancellation) is { Events.Count: 1 } found ? found.Events[0] : null);

        var pending = client.WaitAsync(running, cancellation: Cancellation);
        var before = await client.NodeInfoAsync(Cancellation); // answered on the same connection, so the wait went out before
        Signals.Kill(runtime.Daemon);
        var lost = await RefusedAsync(() => pending);
        Assert.True(lost.Code is ErrorCode.NodeLost or ErrorCode.Unavailable, $"{lost.Code}: {lost.Message}");

        // The same client, without a word to it: it finds the next daemon by itself.
        var end = await client.WaitAsync(running, cancellation: Cancellation);
        Assert.Equal((TaskState.Failed, CauseType.NodeLost), (end.State, end.Cause.Type));
        Assert.True((await client.NodeInfoAsync(Cancellation)).Started > before.Started);
        var (events, since) = (new List<EventInfo>(), started.Sequence);
        while (!events.Exists(e => e.Type == "wayang.node.started") || !events.Exists(e => e.Type == "wayang.task.failed" && e.Subject.EndsWith(running.ToString(), StringComparison.Ordinal)))
        {
            var batch = await client.ListEventsAsync(new EventQuery { Since = since, Limit = 3, Wait = Eventually.Patience }, Cancellation);
            Assert.True(batch.Events.Count > 0, $"nothing behind {since}; told: {string.Join(' ', events.Select(static e => e.Type))}");
            since = batch.Next;
            events.AddRange(batch.Events);
        }

        Assert.Equal(Enumerable.Range(1, events.Count).Select(i => started.Sequence + i), events.Select(static e => e.Sequence)); // none twice, none missing
        Assert.DoesNotContain(events, static e => e.Type == "wayang.events.gap");
    }

    [Fact(Timeout = Bound)]
    public async Task Without_the_token_or_the_authority_nobody_comes_in_over_tcp()
    {
        await using var runtime = await StartAsync();
        var wrong = await RefusedAsync(() => WayangClient.ConnectAsync(OptionsOf("tls") with { Token = AccessToken.NewSecret() }, Cancellation));
        Assert.Equal(ErrorCode.Unauthenticated, wrong.Code);
        var untrusted = await RefusedAsync(() => WayangClient.ConnectAsync(OptionsOf("tls") with { Certificates = null }, Cancellation));
        Assert.Equal(ErrorCode.Unauthenticated, untrusted.Code);
        Assert.Contains("is its authority believed here", untrusted.Message, StringComparison.Ordinal);
        await using var client = await WayangClient.ConnectAsync(OptionsOf("tls"), Cancellation);
        Assert.Equal("in", Encoding.UTF8.GetString((await client.RunCommandAsync(["/bin/echo", "-n", "in"], cancellation: Cancellation)).Stdout.Span));
    }

    /// <summary>What a task that runs has written so far comes at once, the rest with its end, which a cancel brings; a call's log is lines of JSON.</summary>
    private static async Task FollowAsync(WayangClient client)
    {
        var id = await client.SubmitAsync(TaskSpec.Command("/bin/sh", "-c", "trap 'echo last; exit 1' TERM; echo first; while :; do sleep 0.01; done"), Cancellation);
        var text = new StringBuilder();
        await foreach (var piece in client.ReadStreamAsync(id, TaskStream.Stdout, follow: true, Cancellation))
        {
            text.Append(Encoding.UTF8.GetString(piece.Data.Span));
            if (text.ToString() == "first\n")
            {
                Assert.False(piece.Ended);
                await client.CancelAsync(id, Cancellation);
            }
        }

        Assert.Equal("first\nlast\n", text.ToString());
        Assert.Equal(TaskState.Cancelled, (await client.WaitAsync(id, cancellation: Cancellation)).State);
        var call = await client.SubmitAsync(TaskSpec.Call("good", "print", "x"u8.ToArray()), Cancellation);
        text.Clear();
        await foreach (var piece in client.ReadStreamAsync(call, TaskStream.Log, follow: true, Cancellation))
        {
            text.Append(Encoding.UTF8.GetString(piece.Data.Span));
        }

        Assert.Equal(("warning", "level"), Assert.Single(LogRecord.Read(text.ToString())) is var record ? (record.Level, record.Text) : default);
    }

    private static async Task<WayangException> RefusedAsync(Func<Task> call) => await Assert.ThrowsAsync<WayangException>(call);

    private async Task<RuntimeUnderTest> StartAsync()
    {
        Assert.SkipUnless(Installation.Missing is null, Installation.Missing ?? "");
        TokenFile.Add(Path.Combine(_directory, "tokens"), new AccessToken("ci", Tenant: 0, OperationScopes.All, AccessToken.HashOf(_secret), Expires: null));
        Directory.CreateDirectory(Path.Combine(_directory, "state"));
        _authority.Create("authority of a test", TimeSpan.FromDays(1));
        var (certificate, key, _) = _authority.Issue("node", isServer: true, ["127.0.0.1"], TimeSpan.FromHours(1));
        if (Installation.IsRoot)
        {
            using var chown = Process.Start("chown", ["-R", DaemonUid, _directory]);
            await chown.WaitForExitAsync(Cancellation);
        }

        return await RuntimeUnderTest.StartAsync(Installation.IsRoot ? Account.Root : Account.Unprivileged, string.Create(CultureInfo.InvariantCulture, $$"""
            http_port: 0
            state: {directory: {{_directory}}/state}
            grpc: {address: '127.0.0.1:{{_port}}', socket: {{_directory}}/grpc.sock}
            rpc_tcp: {tokens_file: {{_directory}}/tokens}
            tls: {certificate_file: {{certificate}}, key_file: {{key}}}

            """));
    }

    private WayangClientOptions OptionsOf(string way) => new()
    {
        Endpoint = (way == "tls" ? WayangEndpoint.Tls("127.0.0.1", _port) : WayangEndpoint.Unix(Path.Combine(_directory, "grpc.sock"))).OverGrpc(),
        Token = way == "tls" ? _secret : null,
        Certificates = way == "tls" ? ClientCertificates.Read(_authority.CertificatePath) : null,
        ReconnectTimeout = Eventually.Patience,
    };

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
