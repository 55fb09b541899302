using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Wayang.Fast.Gateway.Auth;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Clients;

/// <summary>A served runtime that listens on TCP, and the command line that reaches it there with a token.</summary>
[Collection("runtimes")]
[Trait("Promise", "COM7")]
public sealed partial class RemoteCommandTests : IDisposable
{
    private const int Bound = 300_000;
    private const int PythonChecks = 4;

    // Below /var/tmp, and open to the daemon's own user: the file of tokens in it is what is closed.
    private readonly string _directory = Directory.CreateDirectory("/var/tmp/wayang-remote-" + Guid.NewGuid().ToString("N")).FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact(Timeout = Bound)]
    public async Task The_command_line_runs_tasks_over_tcp()
    {
        var secret = AddToken("ci", OperationScopes.All);
        var watching = AddToken("watch", OperationScopes.Read);
        await using var runtime = await RuntimeUnderTest.StartAsync(RuntimeAccount(), Configuration(0));
        var endpoint = await Eventually.ValueAsync("the log names the port", () => Task.FromResult(
            Place().Match(runtime.Processes.Log) is { Success: true } match ? match.Value : null));
        var file = Path.Combine(_directory, "ci.token");
        await File.WriteAllTextAsync(file, secret + "\n");

        Assert.Equal((3, "over tcp\n", ""), await RunAsync(null, "--endpoint", endpoint, "--token-file", file, "run", "--", "sh", "-c", "echo over tcp; exit 3"));
        var (code, told, _) = await RunAsync(watching, "--endpoint", endpoint, "node");
        Assert.True(code == 0 && told.StartsWith("node ", StringComparison.Ordinal), told);
        await RefusedAsync(125, "task.submit needs submit", watching, "--endpoint", endpoint, "run", "--", "true");
        await RefusedAsync(125, "wayang token create", "wrong", "--endpoint", endpoint, "node");
        await RefusedAsync(2, "asks for a token", null, "--endpoint", endpoint, "node");
        await RefusedAsync(2, "tcp://HOST:PORT", null, "--endpoint", "nowhere", "node");
        await RefusedAsync(2, "name two runtimes", null, "--endpoint", endpoint, "--socket", "/tmp/x", "node");
    }

    [Fact(Timeout = Bound)]
    public async Task The_command_line_is_encrypted_and_known_by_a_token_or_a_certificate()
    {
        var secret = AddToken("ci", OperationScopes.All);
        AddToken("deploy", OperationScopes.Submit, "cert:deploy");
        var authority = new PrivateAuthority(Path.Combine(_directory, "pki"));
        authority.Create("authority of a test", TimeSpan.FromDays(1));
        var node = authority.Issue("node", isServer: true, ["127.0.0.1"], TimeSpan.FromHours(1));
        var own = authority.Issue("deploy", isServer: false, [], TimeSpan.FromHours(1));
        if (Installation.IsRoot)
        {
            using var give = Process.Start("chown", ["-R", "1900000000", Path.Combine(_directory, "pki")]);
            await give.WaitForExitAsync(TestContext.Current.CancellationToken);
        }

        await using var runtime = await RuntimeUnderTest.StartAsync(
            RuntimeAccount(), Configuration(0) + $"tls: {{certificate_file: {node.Certificate}, key_file: {node.Key}, client_ca_file: {authority.CertificatePath}}}\n");
        var endpoint = await Eventually.ValueAsync("the log names the port", () => Task.FromResult(
            Place().Match(runtime.Processes.Log) is { Success: true } match ? match.Value : null));
        Assert.StartsWith("tls://", endpoint, StringComparison.Ordinal);
        string[] there = ["--endpoint", endpoint, "--ca-file", authority.CertificatePath];
        Assert.Equal((0, "hidden\n", ""), await RunAsync(secret, [.. there, "run", "--", "echo", "hidden"]));
        Assert.Equal((0, "shown\n", ""), await RunAsync(null, [.. there, "--cert-file", own.Certificate, "--key-file", own.Key, "run", "--", "echo", "shown"]));
        await RefusedAsync(125, "no encrypted connection", secret, "--endpoint", endpoint, "node"); // this host's authorities do not know ours
        await RefusedAsync(2, "--cert-file", null, [.. there, "node"]);
        await PythonAsync(endpoint, secret, authority.CertificatePath, own.Certificate, own.Key);
        await RefusedAsync(2, "cannot be used", secret, "--endpoint", endpoint, "--ca-file", Path.Combine(_directory, "tokens"), "node");
    }

    [Fact(Timeout = Bound)]
    public async Task A_port_in_use_ends_the_runtime_with_the_reason()
    {
        AddToken("ci", OperationScopes.All);
        using var taken = new Socket(SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        taken.Listen();
        var port = ((IPEndPoint)taken.LocalEndPoint!).Port;
        var failure = await Assert.ThrowsAnyAsync<Exception>(async () => await (await RuntimeUnderTest.StartAsync(RuntimeAccount(), Configuration(port))).DisposeAsync());
        Assert.SkipWhen(failure.GetType().Name.Contains("Skip", StringComparison.Ordinal), failure.Message);
        Assert.Contains($"127.0.0.1:{port}: something else does already", failure.Message, StringComparison.Ordinal);
    }

    // As root the daemon is another user, who is to read the file: the starter is whoever runs the tests.
    private static Account RuntimeAccount() => Installation.IsRoot ? Account.Root : Account.Unprivileged;

    private string Configuration(int port) => $"http_port: 0\nrpc_tcp:\n  address: 127.0.0.1:{port}\n  tokens_file: {_directory}/tokens\n";

    private string AddToken(string name, OperationScopes scopes, string? certificate = null)
    {
        var secret = AccessToken.NewSecret();
        var file = Path.Combine(_directory, "tokens");
        TokenFile.Add(file, new AccessToken(name, Tenant: 0, scopes, certificate ?? AccessToken.HashOf(secret), Expires: null));
        if (Installation.IsRoot)
        {
            using var chown = Process.Start("chown", ["1900000000", file]);
            chown.WaitForExit();
        }

        return secret;
    }

    private static async Task PythonAsync(string endpoint, string secret, string authority, string certificate, string key)
    {
        var start = new ProcessStartInfo("/usr/bin/python3", [Path.Combine(Installation.Root, "tests/clients/python/check_tls.py")])
        {
            RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false,
            Environment =
            {
                ["WAYANG_ENDPOINT"] = endpoint, ["WAYANG_TEST_TOKEN"] = secret, ["WAYANG_TEST_CA"] = authority, ["WAYANG_TEST_CERT"] = certificate, ["WAYANG_TEST_KEY"] = key,
            },
        };
        start.Environment.Remove("WAYANG_TOKEN");
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync().WaitAsync(Eventually.Patience);
        Assert.True(process.ExitCode == 0, await errors);
        Assert.Equal(PythonChecks, (await output).Split('\n').Count(static line => line.StartsWith("ok ", StringComparison.Ordinal)));
    }

    private static async Task RefusedAsync(int code, string words, string? token, params string[] arguments)
    {
        var (ended, _, errors) = await RunAsync(token, arguments);
        Assert.Equal(code, ended);
        Assert.Contains(words, errors, StringComparison.Ordinal);
    }

    private static async Task<(int Code, string Output, string Errors)> RunAsync(string? token, params string[] arguments)
    {
        var start = new ProcessStartInfo(Installation.Wayang, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        start.Environment["WAYANG_TOKEN"] = token;
        start.Environment.Remove("WAYANG_ENDPOINT");
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync().WaitAsync(Eventually.Patience);
        return (process.ExitCode, await output, await errors);
    }

    [GeneratedRegex("t[cl][ps]://[0-9.]+:[0-9]+", RegexOptions.None, 1_000)]
    private static partial Regex Place();
}
