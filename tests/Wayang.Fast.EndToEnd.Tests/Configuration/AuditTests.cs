using System.Diagnostics;
using System.Globalization;
using System.Runtime.Versioning;
using System.Text.Json;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Configuration;

/// <summary>The audit log of a served node, as the command line shows it, also while it is written and after a restart.</summary>
[Collection("runtimes")]
[SupportedOSPlatform("linux")]
[Trait("Promise", "COM7")]
public sealed class AuditTests : ServeTest
{
    private const int Bound = 300_000;
    private const string DaemonUid = "1900000000"; // as root; else the daemon is who starts it


    [Fact(Timeout = Bound)]
    public async Task What_was_done_and_refused_and_reloaded_is_shown_over_a_restart()
    {
        if (Installation.IsRoot)
        {
            using var chown = Process.Start("chown", ["-R", DaemonUid, StateDirectory]);
            await chown.WaitForExitAsync(TestContext.Current.CancellationToken);
        }

        Configure($"state: {{directory: {StateDirectory}}}\nhttp_port: 0\n");
        await using (var serve = await StartAsync())
        {
            using var following = Process.Start(new ProcessStartInfo(Installation.Wayang, ["audit", "--directory", StateDirectory, "-f", "--since", "1h", "--json"]) { RedirectStandardOutput = true, UseShellExecute = false })!;
            await using var client = await ConnectAsync(serve);
            var refused = await Assert.ThrowsAsync<WayangException>(() => client.PauseAsync(new TaskId(0, 12345), TestContext.Current.CancellationToken));
            Assert.Equal(ErrorCode.NotFound, refused.Code);
            Assert.Contains("task.pause", await following.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
            following.Kill();
            await following.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.Equal(0, (await ReloadAsync(serve)).Code);
            await EndAsync(serve);
        }

        await using var again = await StartAsync();
        var (code, output, errors) = await WayangAsync(["audit", "--config", ConfigurationPath, "--json"]);
        Assert.True(code == 0, errors);
        var records = output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static l => JsonDocument.Parse(l).RootElement).ToList();
        var pause = records.First(static r => r.GetProperty("operation").GetString() == "task.pause");
        Assert.Equal(("messagepack", "not_found", new TaskId(0, 12345).ToString()), (pause.GetProperty("door").GetString(), pause.GetProperty("outcome").GetString(), pause.GetProperty("target").GetProperty("task").GetString()));
        Assert.StartsWith("uid ", pause.GetProperty("from").GetString(), StringComparison.Ordinal);
        Assert.Contains(records, static r => r.GetProperty("operation").GetString() == "config.reload" && r.GetProperty("outcome").GetString() == "ok");
        Assert.All(Directory.GetFiles(StateDirectory, "audit-*"), static f => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(f)));

        var lines = await WayangAsync(["audit", "--directory", StateDirectory, "--since", string.Create(CultureInfo.InvariantCulture, $"{DateTime.UtcNow.AddHours(-1):yyyy-MM-ddTHH:mm:ssZ}")]);
        Assert.Contains("task.pause task=", lines.Output, StringComparison.Ordinal);
        Assert.Equal(string.Empty, (await WayangAsync(["audit", "--directory", StateDirectory, "--since", "1ms"])).Output);
        Assert.Equal(2, (await WayangAsync(["audit", "--socket", "/nowhere"])).Code);
        await EndAsync(again);
    }
}
