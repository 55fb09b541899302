using System.Diagnostics;
using System.Globalization;
using System.Runtime.Versioning;
using System.Text;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Tasks;

/// <summary>Durable tasks of a served node, over the socket and by the command line.</summary>
[Collection("runtimes")]
[SupportedOSPlatform("linux")]
[Trait("Promise", "TR4")]
public sealed class DurableServeTests : ServeTest
{
    private const int Bound = 300_000;
    private const string DaemonUid = "1900000000"; // as root; else the daemon is who starts it


    [Fact(Timeout = Bound)]
    public async Task What_memory_has_forgotten_is_told_from_the_ledger_also_after_a_restart()
    {
        await PrepareAsync("retention: {tasks: 1}\n");
        var ids = new List<TaskId>();
        await using (var serve = await StartAsync())
        {
            await using var client = await ConnectAsync(serve);
            var specs = Enumerable.Range(0, 20).Select(i => TaskSpec.Command("/bin/sh", "-c", $"echo {i}; echo e >&2") with { Durable = true }).ToList();
            var outcomes = await client.SubmitManyAsync(specs, TestContext.Current.CancellationToken);
            Assert.All(outcomes, static o => Assert.Null(o.Error));
            ids.AddRange(outcomes.Select(static o => o.Id));
            foreach (var id in ids)
            {
                Assert.True((await client.WaitAsync(id, cancellation: TestContext.Current.CancellationToken)).Succeeded);
            }

            await AssertToldAsync(client, ids);
            var run = await client.RunAsync(TaskSpec.Command("/bin/echo", "run") with { Durable = true }, cancellation: TestContext.Current.CancellationToken);
            Assert.Equal("run\n", Encoding.UTF8.GetString(run.Stdout.Span));
            var submitted = await WayangAsync(["submit", "--socket", SocketOf(serve), "--durable", "true", "--", "/bin/true"]);
            Assert.Equal(0, submitted.Code);
            ids.Add(TaskId.TryParse(submitted.Output.Trim(), out var typed) ? typed : default);
            await client.WaitAsync(ids[^1], cancellation: TestContext.Current.CancellationToken);
            await EndAsync(serve);
        }

        await using var again = await StartAsync();
        await using var later = await ConnectAsync(again);
        await AssertToldAsync(later, ids.GetRange(0, 20));
        Assert.Equal(TaskState.Succeeded, (await later.GetAsync(ids[^1], TestContext.Current.CancellationToken)).State);
        var never = await Assert.ThrowsAsync<WayangException>(() => later.WaitAsync(new TaskId(0, 12345), cancellation: TestContext.Current.CancellationToken));
        Assert.Equal(ErrorCode.NotFound, never.Code);
        Assert.False(File.GetUnixFileMode(Path.Combine(StateDirectory, "ledger.db")).HasFlag(UnixFileMode.OtherRead));
        await EndAsync(again);
    }

    [Fact(Timeout = Bound)]
    public async Task A_newer_file_refuses_durable_tasks_with_the_reason_and_others_go_on()
    {
        var file = Path.Combine(StateDirectory, "ledger.db");
        Wayang.Fast.Ledger.SqliteLedger.Open(new Wayang.Fast.Ledger.LedgerOptions(file), TimeProvider.System).Dispose();
        await using (var database = File.OpenWrite(file))
        {
            database.Seek(63, SeekOrigin.Begin); // the last byte of user_version in the file's header
            database.WriteByte(99);
        }

        var port = FreePort();
        await PrepareAsync(string.Create(CultureInfo.InvariantCulture, $"http_port: {port}\n"));
        await using var serve = await StartAsync();
        await using var client = await ConnectAsync(serve);
        var refused = await Assert.ThrowsAsync<WayangException>(
            () => client.SubmitAsync(TaskSpec.Command("/bin/true") with { Durable = true }, TestContext.Current.CancellationToken));
        Assert.Equal((ErrorCode.Unavailable, "durable"), (refused.Code, refused.Field));
        Assert.Contains("version 99", refused.Message, StringComparison.Ordinal);
        Assert.True((await client.RunCommandAsync(["/bin/true"], cancellation: TestContext.Current.CancellationToken)).Succeeded);
        Assert.Contains("version 99", (await client.NodeInfoAsync(TestContext.Current.CancellationToken)).Note, StringComparison.Ordinal);
        using var http = new HttpClient();
        Assert.Contains("version 99", await http.GetStringAsync(new Uri($"http://127.0.0.1:{port}/readyz"), TestContext.Current.CancellationToken), StringComparison.Ordinal);
        Assert.Contains("wayang_ledger_available 0", await http.GetStringAsync(new Uri($"http://127.0.0.1:{port}/metrics"), TestContext.Current.CancellationToken), StringComparison.Ordinal);
        var doctor = await WayangAsync(["doctor", "--json", "--only", "installation", "--socket", SocketOf(serve)]);
        Assert.Contains("version 99", doctor.Output, StringComparison.Ordinal);
        await EndAsync(serve);
    }

    [Fact(Timeout = Bound)]
    public async Task A_damaged_page_refuses_durable_tasks_with_the_reason_and_a_copy_brings_all_back()
    {
        var port = FreePort();
        await PrepareAsync(string.Create(CultureInfo.InvariantCulture, $"http_port: {port}\n"));
        var ids = new List<TaskId>();
        await using (var serve = await StartAsync())
        {
            await using var client = await ConnectAsync(serve);
            for (var i = 0; i < 20; i++)
            {
                ids.Add((await client.RunAsync(TaskSpec.Command("/bin/sh", "-c", $"echo {i}; echo e >&2") with { Durable = true }, cancellation: TestContext.Current.CancellationToken)).Id);
            }

            await EndAsync(serve);
        }

        var file = Path.Combine(StateDirectory, "ledger.db");
        var whole = await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken);
        var damaged = (byte[])whole.Clone();
        damaged.AsSpan(4096 * 5, 4096).Fill(0xA5);
        await File.WriteAllBytesAsync(file, damaged, TestContext.Current.CancellationToken);
        await using (var serve = await StartAsync())
        {
            await using var client = await ConnectAsync(serve);
            var refused = await Assert.ThrowsAsync<WayangException>(() => client.SubmitAsync(TaskSpec.Command("/bin/true") with { Durable = true }, TestContext.Current.CancellationToken));
            Assert.Equal((ErrorCode.Unavailable, "durable", null), (refused.Code, refused.Field, refused.RetryAfter));
            Assert.Contains("damaged", refused.Message, StringComparison.Ordinal);
            Assert.Contains("move it away to begin a new one, or bring back a copy", refused.Message, StringComparison.Ordinal);
            var untold = await Assert.ThrowsAsync<WayangException>(() => client.GetAsync(ids[0], TestContext.Current.CancellationToken));
            Assert.Equal(ErrorCode.Unavailable, untold.Code); // not "there is none": nobody knows
            Assert.True((await client.RunCommandAsync(["/bin/true"], cancellation: TestContext.Current.CancellationToken)).Succeeded);
            Assert.Contains("damaged", await Eventually.ValueAsync("/readyz answers", () => TellAsync(port)), StringComparison.Ordinal);
            await EndAsync(serve);
        }

        Assert.Equal(damaged, await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken)); // left as it is
        await File.WriteAllBytesAsync(file, whole, TestContext.Current.CancellationToken);
        await using var again = await StartAsync();
        await using var later = await ConnectAsync(again);
        await AssertToldAsync(later, ids);
        await EndAsync(again);
    }

    /// <summary>Null: nobody listens there yet.</summary>
    private static async Task<string?> TellAsync(int port)
    {
        using var http = new HttpClient();
        try
        {
            return await http.GetStringAsync(new Uri($"http://127.0.0.1:{port}/readyz"), TestContext.Current.CancellationToken);
        }
        catch (HttpRequestException)
        {
            return null;
        }
    }

    private static async Task AssertToldAsync(WayangClient client, IReadOnlyList<TaskId> ids)
    {
        for (var i = 0; i < ids.Count; i++)
        {
            var info = await client.GetAsync(ids[i], TestContext.Current.CancellationToken);
            Assert.Equal(TaskState.Succeeded, info.State);
            Assert.True(info.Life!.Durable);
            var end = await client.WaitAsync(ids[i], cancellation: TestContext.Current.CancellationToken);
            Assert.Equal(string.Create(CultureInfo.InvariantCulture, $"{i}\n"), Encoding.UTF8.GetString(end.Stdout.Span));
            var piece = await client.ReadOutputAsync(ids[i], TaskStream.Stderr, wait: TimeSpan.FromSeconds(1), cancellation: TestContext.Current.CancellationToken);
            Assert.Equal(("e\n", true), (Encoding.UTF8.GetString(piece.Data.Span), piece.Ended));
        }
    }

    private async Task PrepareAsync(string more)
    {
        if (Installation.IsRoot)
        {
            using var chown = Process.Start("chown", ["-R", DaemonUid, StateDirectory]);
            await chown.WaitForExitAsync(TestContext.Current.CancellationToken);
        }

        Configure($"state: {{directory: {StateDirectory}}}\n{(more.Contains("http_port", StringComparison.Ordinal) ? "" : "http_port: 0\n")}{more}");
    }
}
