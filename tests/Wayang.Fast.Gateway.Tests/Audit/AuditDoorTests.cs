using System.Globalization;
using System.Text;
using System.Text.Json;
using Grpc.Core;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Gateway.Grpc;
using Wayang.Fast.Gateway.Grpc.Wire;
using Wayang.Fast.Gateway.Rest;
using Wayang.Fast.Gateway.Tests.Grpc;
using Wayang.Fast.Gateway.Tests.Rest;
using Xunit;

namespace Wayang.Fast.Gateway.Tests.Audit;

/// <summary>Every audited operation at every door: what was done, what was refused, and who was not let in stands in the log, once; payloads and secrets never do.</summary>
[Trait("Promise", "COM7")]
public sealed class AuditDoorTests
{
    private const string Task = "00000000000000000000000001";
    private const string Payload = "payload-of-a-test";
    private const string Reader = "wayang_reader";
    private const string Operator = "wayang_operator";
    private const string Unknown = "wayang_unknown-secret";

    private static readonly Operation[] s_audited = [.. OperationTable.All.Where(static o => o.IsAudited)];

    private static TokenStore Tokens() => new([ServerFixture.Token(Reader, "reader", OperationScopes.Read), ServerFixture.Token(Operator, "operator")]);

    [Fact]
    public void Tokens_that_come_change_and_go_in_their_file_are_told_without_what_their_bearer_shows()
    {
        using var audit = new AuditDirectory();
        var file = Path.Combine(audit.Path, "tokens");
        var secret = AccessToken.NewSecret();
        TokenFile.Add(file, new AccessToken("first", Tenant: 0, OperationScopes.Read, AccessToken.HashOf(secret), Expires: null));
        using (var log = audit.Open())
        {
            var tokens = TokenStore.Open(file);
            tokens.OnChange = change => log.Note(change, file);
            tokens.Reload(); // nothing changed
            TokenFile.Add(file, new AccessToken("second", Tenant: 3, OperationScopes.Submit | OperationScopes.Operate, AccessToken.HashOf(secret + "2"), Expires: null));
            tokens.Reload();
            TokenFile.Remove(file, "first");
            TokenFile.Add(file, new AccessToken("first", Tenant: 0, OperationScopes.All, AccessToken.HashOf(secret), Expires: null));
            tokens.Reload();
            TokenFile.Remove(file, "second");
            tokens.Reload();
        }

        Assert.Equal(
            ["token.create second 3 submit,operate", "token.change first 0 " + ScopeNames.Text(OperationScopes.All), "token.revoke second 3 submit,operate"],
            audit.Records().Select(static r =>
                $"{r.GetProperty("operation").GetString()} {r.GetProperty("target").GetProperty("token").GetString()} {r.GetProperty("tenant").GetInt32().ToString(CultureInfo.InvariantCulture)} {r.GetProperty("target").GetProperty("scopes").GetString()}"));
        Assert.All(audit.Records(), r => Assert.Equal(("file", file, "ok"), (r.GetProperty("door").GetString(), r.GetProperty("from").GetString(), r.GetProperty("outcome").GetString())));
        Assert.DoesNotContain(AccessToken.HashOf(secret), audit.Text(), StringComparison.Ordinal);
        Assert.DoesNotContain(secret, audit.Text(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_drain_that_is_asked_for_again_and_again_is_told_once()
    {
        using var audit = new AuditDirectory();
        using (var log = audit.Open())
        {
            await using var fixture = new ServerFixture(options => ServerFixture.OverTcp(options, new TokenStore([ServerFixture.Token(Operator, "operator") with { Tenant = 0 }])) with { Audit = log, Drain = new BegunDrain() });
            using var operating = fixture.OpenTcp(Operator);
            for (var i = 0; i < 5; i++)
            {
                Assert.Contains("changed", ServerFixture.Ask(operating, Frame(s_audited.Single(static o => o.Kind == OperationKind.NodeDrain))), StringComparison.Ordinal);
            }
        }

        Assert.Equal("node.drain", Assert.Single(audit.Records()).GetProperty("operation").GetString());
    }

    [Fact]
    public async Task Over_MessagePack_rpc_on_TCP()
    {
        using var audit = new AuditDirectory();
        using (var log = audit.Open())
        {
            await using var fixture = new ServerFixture(options => ServerFixture.OverTcp(options, Tokens()) with { Audit = log });
            using var reader = fixture.OpenTcp(Reader);
            using var operating = fixture.OpenTcp(Operator);
            foreach (var operation in s_audited)
            {
                Assert.Contains("permission_denied", ServerFixture.Ask(reader, Frame(operation)), StringComparison.Ordinal);
                ServerFixture.Ask(operating, Frame(operation));
                using var stranger = fixture.OpenTcp();
                Assert.Contains("unauthenticated", ServerFixture.Ask(stranger, Frame(operation)), StringComparison.Ordinal);
            }

            ServerFixture.Ask(reader, Frame(OperationTable.Find("node.info"u8)!)); // nobody's business
            Assert.Contains("functions", ServerFixture.Ask(operating, PutFrame()), StringComparison.Ordinal);
            using var guesser = fixture.OpenTcp();
            Assert.Contains("unauthenticated", ServerFixture.Ask(guesser, ServerFixture.SessionFrame(1, Unknown)), StringComparison.Ordinal);
        }

        Check(audit, "messagepack", "127.0.0.1:");
        Assert.Single(audit.Records(), static r => Is(r, "session.open", "unauthenticated") && !r.TryGetProperty("identity", out _));
    }

    [Fact]
    public async Task Over_the_unix_socket_with_the_peer_that_the_kernel_names()
    {
        using var audit = new AuditDirectory();
        using (var log = audit.Open())
        {
            await using var fixture = new ServerFixture(options => options with { Audit = log, ScopesOf = static _ => OperationScopes.Read | OperationScopes.Images });
            using var socket = fixture.Open();
            foreach (var operation in s_audited)
            {
                ServerFixture.Ask(socket, Frame(operation));
            }

            ServerFixture.Ask(socket, PutFrame());
        }

        using (var log = audit.Open())
        {
            await using var closed = new ServerFixture(options => options with { Audit = log, Authorize = static _ => null });
            using var socket = closed.Open();
            Assert.Contains("permission_denied", ServerFixture.ReadText(socket), StringComparison.Ordinal);
        }

        var records = audit.Records();
        var from = string.Create(CultureInfo.InvariantCulture, $"uid {Environment.GetEnvironmentVariable("UID") ?? PeerUid()} pid {Environment.ProcessId}");
        Assert.All(records, r => Assert.Equal(from, r.GetProperty("from").GetString()));
        foreach (var operation in s_audited.Where(static o => (o.Scopes & OperationScopes.Images) == OperationScopes.None))
        {
            Assert.Single(records, r => Is(r, operation.Name, "permission_denied") && r.GetProperty("tenant").GetInt32() == 7);
        }

        Assert.Single(records, static r => Is(r, "image.put", "ok"));
        Assert.Single(records, static r => Is(r, "session.open", "permission_denied"));
    }

    [Fact]
    public async Task Over_gRPC()
    {
        using var audit = new AuditDirectory();
        using (var log = audit.Open())
        {
            await using var fixture = await GrpcFixture.StartAsync(Tokens(), audit: log);
            foreach (var operation in s_audited)
            {
                Assert.Equal(StatusCode.PermissionDenied, await AskAsync(fixture.Invoke(Reader), operation));
                await AskAsync(fixture.Invoke(Operator), operation);
                Assert.Equal(StatusCode.Unauthenticated, await AskAsync(fixture.Invoke(Unknown), operation));
            }

            await fixture.Connect(Operator).ImagePutAsync(
                new ImagePutRequest { Kind = "c", Name = "sums", Data = Google.Protobuf.ByteString.CopyFromUtf8(Payload) }, cancellationToken: TestContext.Current.CancellationToken);
        }

        Check(audit, "grpc", "127.0.0.1:");
    }

    [Fact]
    public async Task Over_REST()
    {
        using var audit = new AuditDirectory();
        using (var log = audit.Open())
        {
            await using var fixture = await RestFixture.StartAsync(Tokens(), audit: log);
            foreach (var route in RestRoute.All.Where(static r => r.Operation.IsAudited))
            {
                Assert.Equal(403, await AskAsync(fixture.Connect(Reader), route));
                await AskAsync(fixture.Connect(Operator), route);
                Assert.Equal(401, await AskAsync(fixture.Connect(Unknown), route));
            }

            var (status, _) = await RestFixture.AskAsync(
                fixture.Connect(Operator), HttpMethod.Post, "/v1/images",
                JsonSerializer.Serialize(new { kind = "c", name = "sums", data = Convert.ToBase64String(Encoding.UTF8.GetBytes(Payload)) }));
            Assert.Equal(200, status);
        }

        Check(audit, "rest", "127.0.0.1:");
        Assert.Contains(audit.Records(), static r => Is(r, "task.pause", "permission_denied") && r.GetProperty("target").GetProperty("task").GetString() == Task);
    }

    private static void Check(AuditDirectory audit, string door, string from)
    {
        var records = audit.Records();
        Assert.All(records, r => Assert.Equal(door, r.GetProperty("door").GetString()));
        Assert.All(records, r => Assert.StartsWith(from, r.GetProperty("from").GetString(), StringComparison.Ordinal));
        Assert.All(records, static r => Assert.True(r.GetProperty("time").GetDateTimeOffset() > DateTimeOffset.UtcNow.AddMinutes(-5)));
        foreach (var operation in s_audited)
        {
            Assert.Single(records, r => Is(r, operation.Name, "permission_denied") && By(r, "token:reader"));
            Assert.Single(records, r => Is(r, operation.Name, "unauthenticated") && By(r, null));
            Assert.Single(records, r => r.GetProperty("operation").GetString() == operation.Name && By(r, "token:operator") && !Is(r, "image.put", "ok"));
        }

        var put = Assert.Single(records, static r => Is(r, "image.put", "ok"));
        Assert.Equal((3, "sums", "c"), (put.GetProperty("tenant").GetInt32(), put.GetProperty("target").GetProperty("name").GetString(), put.GetProperty("target").GetProperty("kind").GetString()));
        Assert.NotEmpty(put.GetProperty("target").GetProperty("image").GetString()!);
        var text = audit.Text();
        Assert.DoesNotContain(Payload, text, StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToBase64String(Encoding.UTF8.GetBytes(Payload)), text, StringComparison.Ordinal);
        Assert.DoesNotContain("wayang_", text, StringComparison.Ordinal);
        Assert.DoesNotContain(records, static r => r.GetProperty("operation").GetString() == "node.info");
    }

    private static bool Is(JsonElement record, string operation, string outcome) =>
        record.GetProperty("operation").GetString() == operation && record.GetProperty("outcome").GetString() == outcome;

    private static bool By(JsonElement record, string? identity) => (record.TryGetProperty("identity", out var name) ? name.GetString() : null) == identity;

    private static string PeerUid() => File.ReadLines("/proc/self/status").First(static l => l.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[2];

    private static async Task<StatusCode> AskAsync(CallInvoker invoker, Operation operation)
    {
        try
        {
            using var call = invoker.AsyncUnaryCall(RawMethods.Of(MethodNames.Of(operation)), host: null, new CallOptions(deadline: DateTime.UtcNow.AddSeconds(20)), []);
            await call.ResponseAsync;
            return StatusCode.OK;
        }
        catch (RpcException refusal)
        {
            return refusal.StatusCode;
        }
    }

    private static async Task<int> AskAsync(HttpClient client, RestRoute route)
    {
        using var request = new HttpRequestMessage(new HttpMethod(route.Method), route.Path.Replace("{task}", Task, StringComparison.Ordinal));
        request.Content = route.HasBody ? new StringContent("{}", Encoding.UTF8, "application/json") : null;
        using var answer = await client.SendAsync(request);
        return (int)answer.StatusCode;
    }

    private static byte[] Frame(Operation operation) => Frame(operation.Name, static (ref writer) => writer.WriteArrayHeader(0));

    private static byte[] PutFrame() => Frame("image.put", static (ref writer) =>
    {
        writer.WriteArrayHeader(1);
        writer.WriteMapHeader(3);
        writer.WriteString("kind");
        writer.WriteString("c");
        writer.WriteString("name");
        writer.WriteString("sums");
        writer.WriteString("data");
        writer.WriteBinary(Encoding.UTF8.GetBytes(Payload));
    });

    private static byte[] Frame(string operation, EventDataWriter parameters)
    {
        using var buffer = new PooledBuffer(256);
        var writer = new MessagePackWriter(buffer);
        writer.WriteArrayHeader(4);
        writer.WriteUInt64(0);
        writer.WriteUInt64(9);
        writer.WriteString(operation);
        parameters(ref writer);
        writer.Commit();
        return buffer.WrittenSpan.ToArray();
    }

    private delegate void EventDataWriter(ref MessagePackWriter writer);

    /// <summary>The first request changes something, those that follow only ask.</summary>
    private sealed class BegunDrain : INodeDrain
    {
        private int _asked;

        public Task<(DrainProgress? Progress, OperationError? Refusal)> DrainAsync(string? to, TimeSpan wait, int tenant, CancellationToken cancellation) =>
            System.Threading.Tasks.Task.FromResult<(DrainProgress?, OperationError?)>((Undo(), null));

        public DrainProgress Undo() => new(DrainState.Draining, null, 0, 0, 0, 0, 0, []) { Changed = Interlocked.Increment(ref _asked) == 1 };

        public string? Explain(TaskId id, TaskState state) => null;
    }
}
