using System.Globalization;
using System.Text;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Wayang.Fast.Execution;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Tasks;

/// <summary>Standard output, standard error and the log of a task are three streams, each complete, bounded, and readable while it grows.</summary>
[Trait("Promise", "TR3")]
public sealed class LogTests
{
    [Fact]
    public async Task Output_error_and_log_of_a_call_are_kept_apart()
    {
        using var node = new LiveNode();
        await node.PutAsync("good", Plugins.Good);
        var before = DateTimeOffset.UtcNow.AddSeconds(-2);
        var end = await node.CallAsync(await node.FunctionAsync("good", "print"), "x"u8);
        Assert.Equal("out: x\nunfinished", end.Out);
        Assert.Equal("err: x\n", end.Err);
        var record = Assert.Single(LogRecord.Read(end.Log));
        Assert.Equal(("warning", "level"), (record.Level, record.Text));
        Assert.InRange(record.Time, before, DateTimeOffset.UtcNow.AddSeconds(2));
    }

    [Fact]
    public async Task Log_over_its_bound_ends_with_a_whole_record_and_the_cut_is_told()
    {
        using var python = new Python.PythonNode(new RuntimeOptions { MaxStreamBytes = 4096 });
        await python.PutAsync("import wayang\ndef many(data, ctx):\n    for n in range(1000):\n        ctx.log(f'record {n}')\n    return ''\n");
        var end = await python.RunAsync("many");
        Assert.True(end.State == TaskState.Succeeded, end.ToString());
        var records = LogRecord.Read(end.Log);
        Assert.Equal(Enumerable.Range(0, records.Count).Select(static n => $"record {n}"), records.Select(static record => record.Text));
        Assert.InRange(end.Log.Length, 3900, 4096);
        Assert.True(end.LogDropped > 900 * 50, $"{end.LogDropped} bytes were dropped");
    }

    [Fact]
    public async Task Followers_of_a_command_that_is_killed_have_it_to_the_last_byte()
    {
        await using var node = new SocketNode();
        await using var client = await node.ConnectAsync();
        foreach (var lines in (int[])[1, 5_000, 200_000])
        {
            // It kills itself at some line: whatever stood in the pipes by then was read before the end was told.
            var id = await client.SubmitAsync(TaskSpec.Command(
                "sh", "-c", $"(seq -f e%06.0f 1 {lines} >&2) & seq -f %07.0f 1 {lines}; wait; kill -9 $$"));
            var followed = await Task.WhenAll(FollowAsync(client, id, TaskStream.Stdout), FollowAsync(client, id, TaskStream.Stderr));
            var end = await client.WaitAsync(id);
            Assert.Equal((CauseType.Signal, 9), (end.Cause.Type, end.Cause.Value));
            Assert.Equal(lines * 8, followed[0].Length);
            Assert.Equal(lines * 8, followed[1].Length);
            Assert.True(end.Stdout.Span.SequenceEqual(followed[0]));
            Assert.True(end.Stderr.Span.SequenceEqual(followed[1]));
            Assert.EndsWith(string.Create(CultureInfo.InvariantCulture, $"{lines:D7}\n"), Encoding.UTF8.GetString(followed[0]), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Wait_for_output_is_answered_by_the_next_bytes_and_by_the_end()
    {
        await using var node = new SocketNode();
        await using var client = await node.ConnectAsync();
        var patience = TimeSpan.FromSeconds(60);

        // The second line comes when the first one's reader asks for it: by a signal that the command waits for.
        var id = await client.SubmitAsync(TaskSpec.Command("sh", "-c", "exec 2>/dev/null; trap 'echo second; exit 3' TERM; echo first; while :; do sleep 0.01; done"));
        var first = await client.ReadOutputAsync(id, TaskStream.Stdout, wait: patience);
        Assert.Equal(("first\n", false), (Encoding.UTF8.GetString(first.Data.Span), first.Ended));
        var next = client.ReadOutputAsync(id, TaskStream.Stdout, first.Data.Length, wait: patience);
        var silent = client.ReadOutputAsync(id, TaskStream.Stderr, wait: patience);
        await client.CancelAsync(id);
        Assert.Equal("second\n", Encoding.UTF8.GetString((await next).Data.Span));
        var end = await silent;
        Assert.Equal((0, true), (end.Data.Length, end.Ended));
        Assert.Equal(TaskState.Cancelled, (await client.WaitAsync(id)).State);
    }

    [Fact]
    public async Task Wait_for_output_ends_with_its_time_and_leaves_the_task_alone()
    {
        await using var node = new SocketNode();
        await using var client = await node.ConnectAsync();
        var id = await client.SubmitAsync(TaskSpec.Command("sleep", "1000"));
        var piece = await client.ReadOutputAsync(id, TaskStream.Stdout, wait: TimeSpan.FromMilliseconds(50));
        Assert.Equal((0, false), (piece.Data.Length, piece.Ended));
        var unknown = await Assert.ThrowsAsync<WayangException>(() => client.ReadOutputAsync(default, TaskStream.Stdout, wait: TimeSpan.FromSeconds(50)));
        Assert.Equal(ErrorCode.NotFound, unknown.Code);
        await client.CancelAsync(id);
        Assert.Equal(TaskState.Cancelled, (await client.WaitAsync(id)).State);
    }

    [Fact]
    public async Task Command_line_follows_each_stream_to_its_own()
    {
        Finished.Require(Account.Root);
        await using var node = new SocketNode();
        await using var client = await node.ConnectAsync();
        await node.Node.PutAsync("good", Plugins.Good);
        var id = (await client.SubmitAsync(TaskSpec.Call("good", "print", "x"u8.ToArray()))).ToString();
        var shown = await Finished.RunAsync(Account.Root, [Installation.Wayang, "--socket", node.SocketPath, "logs", "-f", id]);
        Assert.True(shown.Code == 0, shown.ToString());
        Assert.Equal("out: x\nunfinished", shown.Out);
        Assert.Contains("err: x\n", shown.Err, StringComparison.Ordinal);
        Assert.Contains("Z warning level\n", shown.Err, StringComparison.Ordinal);
        var json = await Finished.RunAsync(Account.Root, [Installation.Wayang, "--socket", node.SocketPath, "logs", "--json", "--stream", "log", id]);
        Assert.Contains("\"level\":\"warning\",\"text\":\"level\"}", json.Out, StringComparison.Ordinal);
        var wrong = await Finished.RunAsync(Account.Root, [Installation.Wayang, "--socket", node.SocketPath, "logs", "--stream", "sdtout", id]);
        Assert.Equal(2, wrong.Code);
        Assert.Contains("stdout", wrong.Err, StringComparison.Ordinal);
    }

    private static async Task<byte[]> FollowAsync(WayangClient client, TaskId id, TaskStream stream)
    {
        using var all = new MemoryStream();
        await foreach (var piece in client.ReadStreamAsync(id, stream, follow: true))
        {
            await all.WriteAsync(piece.Data);
        }

        return all.ToArray();
    }
}
