using System.Diagnostics;
using System.Globalization;
using System.Runtime.Versioning;
using System.Text.Json;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Clients;

/// <summary>A served runtime's webhooks, made by the command line, received and verified by other people's library and by the receiver of the documentation.</summary>
[Collection("runtimes")]
[SupportedOSPlatform("linux")]
[Trait("Promise", "COM6")]
public sealed class WebhookReceiverTests : ServeTest
{
    private const int Bound = 300_000;
    private const string DaemonUid = "1900000000"; // as root; else the daemon is who starts it


    [Fact(Timeout = Bound)]
    public async Task Npm_standardwebhooks_verifies_each_also_while_secrets_rotate()
    {
        var modules = Path.Combine(Installation.Root, "out/clients/node/node_modules");
        Assert.SkipUnless(Directory.Exists(Path.Combine(modules, "standardwebhooks")), $"{modules} is not filled: ./build.sh test does it where npm is there");
        await using var serve = await ServeAsync();
        await using var client = await ConnectAsync(serve);
        using var receiver = Start(new ProcessStartInfo("node", [Path.Combine(Installation.Root, "tests/clients/node/receive_webhooks.js")]) { Environment = { ["NODE_PATH"] = modules } });
        try
        {
            var port = (await LineAsync(receiver)).Split(' ')[1];
            var (webhook, secret) = await CreateAsync(serve, $"http://127.0.0.1:{port}/hooks");
            await GiveAsync(receiver, secret);
            await client.RunAsync(TaskSpec.Command("/bin/false"), cancellation: TestContext.Current.CancellationToken);
            Assert.Matches($"^came msg_{webhook}_[0-9]+ wayang.task.failed verified true forged false$", await LineAsync(receiver));

            var (code, rotated, errors) = await WayangAsync(["webhook", "rotate", webhook, "--overlap", "1h", "--json", "--socket", SocketOf(serve)]);
            Assert.True(code == 0, errors);
            await GiveAsync(receiver, Text(rotated, "secret"));
            await client.RunAsync(TaskSpec.Command("/bin/false"), cancellation: TestContext.Current.CancellationToken);
            Assert.Matches($"^came msg_{webhook}_[0-9]+ wayang.task.failed verified true,true forged false$", await LineAsync(receiver));

            await Eventually.ValueAsync("both are logged", async () =>
                (await WayangAsync(["webhook", "deliveries", webhook, "--outcome", "delivered", "--socket", SocketOf(serve)])).Output is var log && Count(log, "wayang.task.failed") == 2 ? log : null);
            var (_, list, _) = await WayangAsync(["webhook", "list", "--socket", SocketOf(serve)]);
            Assert.Contains($"{webhook}  enabled   waiting 0  dead 0  wayang.task from warning  http://127.0.0.1:{port}/hooks", list, StringComparison.Ordinal);
            Assert.Equal(0, (await WayangAsync(["webhook", "delete", webhook, "--socket", SocketOf(serve)])).Code);
        }
        finally
        {
            receiver.Kill();
        }

        await EndAsync(serve);
    }

    [Fact(Timeout = Bound)]
    public async Task The_receiver_of_the_documentation_takes_what_is_signed_and_nothing_else()
    {
        const string python = "/usr/bin/python3";
        Assert.SkipUnless(File.Exists(python), $"{python} is not there");
        var text = await File.ReadAllTextAsync(Path.Combine(Installation.Root, "docs/webhooks.md"), TestContext.Current.CancellationToken);
        var program = text.Split("```python\n")[1].Split("```")[0];
        await using var serve = await ServeAsync();
        await using var client = await ConnectAsync(serve);
        var port = FreePort().ToString(CultureInfo.InvariantCulture);
        var (webhook, secret) = await CreateAsync(serve, $"http://127.0.0.1:{port}/");
        using var receiver = Start(new ProcessStartInfo(python, ["-c", program, secret, port]));
        try
        {
            await client.RunAsync(TaskSpec.Command("/bin/false"), cancellation: TestContext.Current.CancellationToken);
            Assert.StartsWith($"msg_{webhook}_", await LineAsync(receiver), StringComparison.Ordinal);
            using var http = new HttpClient();
            using var forged = new StringContent("{}");
            forged.Headers.Add("webhook-id", "msg_1");
            forged.Headers.Add("webhook-timestamp", DateTimeOffset.UtcNow.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture));
            forged.Headers.Add("webhook-signature", "v1,AAAA");
            Assert.Equal(401, (int)(await http.PostAsync(new Uri($"http://127.0.0.1:{port}/"), forged, TestContext.Current.CancellationToken)).StatusCode);
        }
        finally
        {
            receiver.Kill();
        }

        await EndAsync(serve);
    }

    private async Task<Orphanage> ServeAsync()
    {
        if (Installation.IsRoot)
        {
            using var chown = Process.Start("chown", [DaemonUid, StateDirectory]);
            await chown.WaitForExitAsync(TestContext.Current.CancellationToken);
        }

        Configure($"http_port: 0\nstate:\n  directory: {StateDirectory}\nwebhooks:\n  allow_private: true\n  retry_first_ms: 200\n");
        return await StartAsync();
    }

    private async Task<(string Webhook, string Secret)> CreateAsync(Orphanage serve, string url)
    {
        var (code, made, errors) = await WayangAsync(["webhook", "create", url, "--type", "wayang.task", "--severity", "warning", "--json", "--socket", SocketOf(serve)]);
        Assert.True(code == 0, errors);
        return (Text(made, "webhook"), Text(made, "secret"));
    }

    private static string Text(string json, string name) => JsonDocument.Parse(json).RootElement.GetProperty(name).GetString()!;

    private static Process Start(ProcessStartInfo start)
    {
        start.RedirectStandardInput = true;
        start.RedirectStandardOutput = true;
        start.UseShellExecute = false;
        return Process.Start(start)!;
    }

    private static async Task GiveAsync(Process receiver, string secret)
    {
        await receiver.StandardInput.WriteLineAsync(secret);
        Assert.StartsWith("secrets ", await LineAsync(receiver), StringComparison.Ordinal);
    }

    private static async Task<string> LineAsync(Process receiver) => await receiver.StandardOutput.ReadLineAsync().WaitAsync(Eventually.Patience) ?? "(it ended)";
}
