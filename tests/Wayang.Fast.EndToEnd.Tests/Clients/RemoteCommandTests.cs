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

    private string AddToken(string name, OperationScopes scopes)
    {
        var secret = AccessToken.NewSecret();
        var file = Path.Combine(_directory, "tokens");
        TokenFile.Add(file, new AccessToken(name, Tenant: 0, scopes, AccessToken.HashOf(secret), Expires: null));
        if (Installation.IsRoot)
        {
            using var chown = Process.Start("chown", ["1900000000", file]);
            chown.WaitForExit();
        }

        return secret;
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

    [GeneratedRegex("tcp://[0-9.]+:[0-9]+", RegexOptions.None, 1_000)]
    private static partial Regex Place();
}
