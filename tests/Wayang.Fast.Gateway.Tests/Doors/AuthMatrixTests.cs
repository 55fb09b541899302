using System.Globalization;
using Grpc.Core;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Gateway.Grpc;
using Wayang.Fast.Gateway.Rest;
using Wayang.Fast.Gateway.Tests.Grpc;
using Wayang.Fast.Gateway.Tests.Rest;
using Xunit;

namespace Wayang.Fast.Gateway.Tests.Doors;

/// <summary>Every operation at every door by every kind of caller: who has the scope comes as far as the parameters, who has not is told what is missing.</summary>
[Trait("Promise", "COM7")]
public sealed class AuthMatrixTests
{
    private static readonly OperationScopes[] s_each =
        [OperationScopes.Read, OperationScopes.Submit, OperationScopes.Images, OperationScopes.Operate, OperationScopes.Admin, OperationScopes.Work, OperationScopes.All];

    private static readonly Operation[] s_operations = [.. OperationTable.All.Where(static o => o.Kind != OperationKind.SessionOpen)];

    [Fact]
    public async Task Over_MessagePack_rpc()
    {
        await using var fixture = new ServerFixture(static options => ServerFixture.OverTcp(options, Tokens()));
        foreach (var scopes in s_each)
        {
            using var socket = fixture.OpenTcp(SecretOf(scopes));
            foreach (var operation in s_operations)
            {
                Check(scopes, operation, ServerFixture.Ask(socket, Empty(operation.Name)));
            }
        }

        foreach (var secret in Strangers)
        {
            using var socket = fixture.OpenTcp();
            Assert.Contains("unauthenticated", ServerFixture.Ask(socket, ServerFixture.SessionFrame(1, secret)), StringComparison.Ordinal);
            Assert.Contains("unauthenticated", ServerFixture.Ask(socket, Empty("node.info")), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Over_the_unix_socket_by_what_is_configured_for_the_user()
    {
        foreach (var scopes in s_each)
        {
            await using var fixture = new ServerFixture(options => options with { ScopesOf = _ => scopes });
            using var socket = fixture.Open();
            foreach (var operation in s_operations)
            {
                Check(scopes, operation, ServerFixture.Ask(socket, Empty(operation.Name)));
            }
        }
    }

    [Fact]
    public async Task Over_gRPC()
    {
        // Without events: who may follow them would be answered without end.
        await using var fixture = await GrpcFixture.StartAsync(Tokens(), events: false);
        foreach (var operation in s_operations)
        {
            foreach (var scopes in s_each)
            {
                Check(scopes, operation, await AskGrpcAsync(fixture.Invoke(SecretOf(scopes)), operation));
            }

            foreach (var secret in Strangers)
            {
                Assert.Contains("Unauthenticated", await AskGrpcAsync(fixture.Invoke(secret), operation), StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public async Task Over_REST()
    {
        await using var fixture = await RestFixture.StartAsync(Tokens(), events: false);
        foreach (var route in RestRoute.All)
        {
            foreach (var scopes in s_each)
            {
                Check(scopes, route.Operation, await AskRestAsync(fixture.Connect(SecretOf(scopes)), route));
            }

            foreach (var secret in Strangers)
            {
                Assert.Contains("unauthenticated", await AskRestAsync(fixture.Connect(secret), route), StringComparison.Ordinal);
            }
        }
    }

    /// <summary>Never made, past its time, and (of the same name) taken out again.</summary>
    private static string[] Strangers => ["wayang_unknown", "wayang_past", "wayang_revoked"];

    private static string SecretOf(OperationScopes scopes) => "wayang_" + ((int)scopes).ToString(CultureInfo.InvariantCulture);

    private static TokenStore Tokens() => new(
    [
        .. s_each.Select(static s => ServerFixture.Token(SecretOf(s), "may" + ((int)s).ToString(CultureInfo.InvariantCulture), s)),
        ServerFixture.Token("wayang_past", "past", OperationScopes.All, DateTimeOffset.UtcNow.AddSeconds(-1)),
    ]);

    private static void Check(OperationScopes scopes, Operation operation, string answer)
    {
        var isRefused = answer.Contains("permission_denied", StringComparison.OrdinalIgnoreCase) || answer.Contains("PermissionDenied", StringComparison.Ordinal);
        var mayAsk = (scopes & (OperationScopes.Admin | operation.Scopes)) != OperationScopes.None;
        Assert.True(isRefused != mayAsk, $"{operation.Name} by one who may {ScopeNames.Text(scopes)}: {answer}");
        Assert.DoesNotContain("unauthenticated", answer, StringComparison.OrdinalIgnoreCase);
        if (isRefused)
        {
            Assert.Contains($"{operation.Name} needs {ScopeNames.Text(operation.Scopes).Split(',')[0]}", answer, StringComparison.Ordinal);
            Assert.True(answer.Contains("wayang token create", StringComparison.Ordinal) || answer.Contains("tenants:", StringComparison.Ordinal), answer);
        }
    }

    private static async Task<string> AskGrpcAsync(CallInvoker invoker, Operation operation)
    {
        try
        {
            using var call = invoker.AsyncUnaryCall(RawMethods.Of(MethodNames.Of(operation)), host: null, new CallOptions(deadline: DateTime.UtcNow.AddSeconds(20)), []);
            await call.ResponseAsync;
            return "done";
        }
        catch (RpcException refusal)
        {
            return $"{refusal.StatusCode}: {refusal.Status.Detail}";
        }
    }

    private static async Task<string> AskRestAsync(HttpClient client, RestRoute route)
    {
        using var request = new HttpRequestMessage(new HttpMethod(route.Method), route.Path.Replace("{task}", "00000000000000000000000001", StringComparison.Ordinal));
        request.Content = route.HasBody ? new StringContent("{}", System.Text.Encoding.UTF8, "application/json") : null;
        using var answer = await client.SendAsync(request);
        return await answer.Content.ReadAsStringAsync();
    }

    private static byte[] Empty(string operation)
    {
        using var buffer = new PooledBuffer(256);
        var writer = new MessagePackWriter(buffer);
        writer.WriteArrayHeader(4);
        writer.WriteUInt64(0);
        writer.WriteUInt64(9);
        writer.WriteString(operation);
        writer.WriteArrayHeader(0);
        writer.Commit();
        return buffer.WrittenSpan.ToArray();
    }
}
