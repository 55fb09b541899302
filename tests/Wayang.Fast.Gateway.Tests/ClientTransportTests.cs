using System.Text;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Gateway.Tests.Grpc;
using Xunit;

namespace Wayang.Fast.Gateway.Tests;

/// <summary>The C# client over each of its ways to a node: the same calls have the same answers, refusals and ends.</summary>
[Trait("Promise", "COM1")]
[Trait("Promise", "COM7")]
public sealed class ClientTransportTests : IDisposable
{
    private const string Secret = "wayang_of-a-test";

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("wayang-transports-");
    private readonly PrivateAuthority _authority;
    private readonly DoorCertificates _certificates;

    public ClientTransportTests()
    {
        var pki = Path.Combine(_directory.FullName, "pki");
        _authority = new PrivateAuthority(pki);
        _authority.Create("authority of a test", TimeSpan.FromDays(1));
        _authority.Issue("node", isServer: true, ["127.0.0.1"], TimeSpan.FromHours(1));
        _certificates = new DoorCertificates(
            File.ReadAllText(Path.Combine(pki, "node.pem")) + File.ReadAllText(Path.Combine(pki, "node-key.pem")), File.ReadAllText(_authority.CertificatePath));
    }

    /// <summary>Protocol and place.</summary>
    public static TheoryData<string> Ways => ["rpc unix", "rpc tcp", "rpc tls", "grpc unix", "grpc tcp", "grpc tls"];

    public static TheoryData<string> TcpWays => ["rpc tcp", "rpc tls", "grpc tcp", "grpc tls"];

    public void Dispose() => _directory.Delete(recursive: true);

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Tasks_run_are_submitted_waited_for_read_and_listed(string way)
    {
        await using var node = await StartAsync(way);
        await using var client = await node.ConnectAsync();
        var ran = await client.RunCallAsync("demo", "echo_later", "grün"u8.ToArray());
        Assert.Equal((TaskState.Succeeded, "grün"), (ran.State, Encoding.UTF8.GetString(ran.Output.Span)));

        var id = await client.SubmitAsync(TaskSpec.Call("demo", "forever"));
        var info = await client.GetAsync(id);
        Assert.Equal((id, TaskState.Running), (info.Id, info.State));
        var waited = client.WaitAsync(id);
        await client.CancelAsync(id);
        Assert.Equal(TaskState.Cancelled, (await waited).State);

        var outcomes = await client.SubmitManyAsync([TaskSpec.Call("demo", "echo"), TaskSpec.Call("nowhere", "echo"), TaskSpec.Call("demo", "echo")]);
        Assert.Equal([ErrorCode.None, ErrorCode.NotFound, ErrorCode.None], outcomes.Select(static o => o.Error?.Code ?? ErrorCode.None));
        Assert.NotEqual(outcomes[0].Id, outcomes[2].Id);
        Assert.NotNull(await client.NodeInfoAsync());
        Assert.NotNull(await client.NodeStatsAsync());
        Assert.Empty(await client.ListImagesAsync()); // an empty list is one, too
        var large = new byte[1 << 20];
        new Random(1).NextBytes(large);
        Assert.Equal(large, (await client.RunCallAsync("demo", "echo_later", large)).Output.ToArray());
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Refusals_are_the_same(string way)
    {
        await using var node = await StartAsync(way);
        await using var client = await node.ConnectAsync();
        var image = await RefusedAsync(() => client.RunCallAsync("nowhere", "echo"));
        Assert.Equal((ErrorCode.NotFound, "function"), (image.Code, image.Field));
        var missing = await RefusedAsync(() => client.GetAsync(new TaskId(0, 99)));
        Assert.Equal(ErrorCode.NotFound, missing.Code);
        var invalid = await RefusedAsync(() => client.WaitAsync(new TaskId(0, 99), TimeSpan.FromDays(100)));
        Assert.Equal((ErrorCode.InvalidArgument, "timeout_ms"), (invalid.Code, invalid.Field));
        var forever = await client.SubmitAsync(TaskSpec.Call("demo", "forever"));
        Assert.Equal(ErrorCode.WaitTimeout, (await RefusedAsync(() => client.WaitAsync(forever, TimeSpan.FromMilliseconds(20)))).Code);
        Assert.Equal(ErrorCode.Unsupported, (await RefusedAsync(() => client.ListTasksAsync())).Code); // this node has no monitor
        await client.CancelAsync(forever);
        Assert.Equal(TaskState.Cancelled, (await client.WaitAsync(forever)).State);
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Who_stops_waiting_leaves_the_task_or_takes_it_along_as_it_said(string way)
    {
        await using var node = await StartAsync(way);
        await using var client = await node.ConnectAsync();
        var id = await client.SubmitAsync(TaskSpec.Call("demo", "forever"));
        using var enough = new CancellationTokenSource();
        var waited = client.WaitAsync(id, cancellation: enough.Token);
        await enough.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waited);
        Assert.False((await client.GetAsync(id)).State >= TaskState.Succeeded);

        // A run: kept, or cancelled with its caller.
        foreach (var (abandon, ends) in new[] { (OnAbandon.KeepTask, false), (OnAbandon.CancelTask, true) })
        {
            using var left = new CancellationTokenSource();
            var before = node.Tasks.Submissions;
            var run = client.RunAsync(TaskSpec.Call("demo", "forever"), abandon, left.Token);
            await Eventually.TrueAsync("it is waited for", () => node.Tasks.Submissions > before && node.Tasks.LastIsAwaited);
            await left.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run);
            Assert.Equal(ends ? 1 : 0, node.Tasks.Cancels);
        }

        await using var hurried = await node.ConnectAsync(static o => o with { CallTimeout = TimeSpan.FromMilliseconds(50) });
        Assert.Equal(ErrorCode.WaitTimeout, (await RefusedAsync(() => hurried.RunCallAsync("demo", "forever"))).Code);
        Assert.Equal(1, node.Tasks.Cancels); // it goes on
        Assert.Equal("x", Encoding.UTF8.GetString((await client.RunCallAsync("demo", "echo", "x"u8.ToArray())).Output.Span));
    }

    [Theory]
    [MemberData(nameof(TcpWays))]
    public async Task Strangers_and_wrong_authorities_are_told_so_at_once(string way)
    {
        await using var node = await StartAsync(way);
        Assert.Equal(ErrorCode.Unauthenticated, (await RefusedAsync(() => node.ConnectAsync(static o => o with { Token = "wayang_wrong" }))).Code);
        Assert.Equal(ErrorCode.Unauthenticated, (await RefusedAsync(() => node.ConnectAsync(static o => o with { Token = null }))).Code);
        if (way.EndsWith("tls", StringComparison.Ordinal))
        {
            var other = new PrivateAuthority(Path.Combine(_directory.FullName, "other"));
            other.Create("authority of a test", TimeSpan.FromDays(1));
            var refused = await RefusedAsync(() => node.ConnectAsync(o => o with { Certificates = ClientCertificates.Read(other.CertificatePath) }));
            Assert.Equal(ErrorCode.Unauthenticated, refused.Code);
            Assert.Contains("is its authority believed here", refused.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task A_node_that_goes_ends_what_is_pending_and_one_that_is_not_there_is_told(string way)
    {
        var node = await StartAsync(way);
        await using var client = await node.ConnectAsync(static o => o with { ReconnectTimeout = TimeSpan.Zero });
        Task<TaskResult> pending;
        await using (node)
        {
            var before = node.Tasks.Submissions;
            pending = client.RunCallAsync("demo", "forever");
            await Eventually.TrueAsync("it runs", () => node.Tasks.Submissions > before);
        }

        var lost = await RefusedAsync(() => pending);
        Assert.True(lost.Code is ErrorCode.NodeLost or ErrorCode.Unavailable, $"{lost.Code}: {lost.Message}");
        var gone = await RefusedAsync(() => client.NodeInfoAsync());
        Assert.True(gone.Code is ErrorCode.NodeLost or ErrorCode.Unavailable, $"{gone.Code}: {gone.Message}");
        var none = await RefusedAsync(() => node.ConnectAsync());
        Assert.Equal(ErrorCode.Unavailable, none.Code);
        Assert.Contains("No runtime answers at", none.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("grpc://127.0.0.1:7801", false, "grpc://127.0.0.1:7801")]
    [InlineData("grpcs://node:7801/", true, "grpcs://node:7801")]
    [InlineData("grpc://[::1]:7801", false, "grpc://[::1]:7801")]
    [InlineData("grpc+unix:///run/g.sock", false, "grpc+unix:///run/g.sock")]
    [InlineData("grpc://node", false, null)]
    [InlineData("grpc://[::1]", false, null)]
    [InlineData("grpc+unix://run", false, null)]
    public void Places_where_grpc_is_spoken_are_read(string text, bool isTls, string? told)
    {
        var place = WayangEndpoint.TryParse(text);
        Assert.Equal(told, place?.ToString());
        Assert.True(place is null || (place.IsGrpc && place.IsTls == isTls));
    }

    private static async Task<WayangException> RefusedAsync(Func<Task> act) => await Assert.ThrowsAsync<WayangException>(act);

    private async Task<Node> StartAsync(string way)
    {
        var isTls = way.EndsWith("tls", StringComparison.Ordinal);
        var isUnix = way.EndsWith("unix", StringComparison.Ordinal);
        var tokens = new TokenStore([ServerFixture.Token(Secret)]);
        var trusted = isTls ? ClientCertificates.Read(_authority.CertificatePath) : null;
        if (way.StartsWith("grpc", StringComparison.Ordinal))
        {
            var grpc = await GrpcFixture.StartAsync(tokens, configure: o => isTls ? o with { Certificates = _certificates } : o);
            var place = isUnix ? WayangEndpoint.Unix(grpc.SocketPath).OverGrpc() : (isTls ? WayangEndpoint.Tls("127.0.0.1", grpc.Port) : WayangEndpoint.Tcp("127.0.0.1", grpc.Port)).OverGrpc();
            return new Node(grpc, grpc.Tasks, new WayangClientOptions { Endpoint = place, Token = isUnix ? null : Secret, Certificates = trusted });
        }

        var rpc = new ServerFixture(o =>
        {
            var open = ServerFixture.OverTcp(o, tokens);
            return isTls ? open with { Tcp = open.Tcp! with { Certificates = _certificates } } : open;
        });
        var port = rpc.Server.TcpEndPoint!.Port;
        return new Node(rpc, rpc.Tasks, new WayangClientOptions
        {
            Endpoint = isUnix ? WayangEndpoint.Unix(rpc.Options.SocketPath) : isTls ? WayangEndpoint.Tls("127.0.0.1", port) : WayangEndpoint.Tcp("127.0.0.1", port),
            Token = isUnix ? null : Secret, Certificates = trusted,
        });
    }

    private sealed class Node(IAsyncDisposable door, InMemoryTaskService tasks, WayangClientOptions options) : IAsyncDisposable
    {
        public InMemoryTaskService Tasks { get; } = tasks;

        public Task<WayangClient> ConnectAsync(Func<WayangClientOptions, WayangClientOptions>? change = null) => WayangClient.ConnectAsync(change?.Invoke(options) ?? options);

        public ValueTask DisposeAsync() => door.DisposeAsync();
    }
}
