using System.Diagnostics;
using System.Text.Json;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Wayang.Fast.EndToEnd.Tests.Kill;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Monitoring;

/// <summary><c>wayang top</c> under a real pseudo-terminal, and where there is none.</summary>
[Collection("runtimes")]
[Trait("Promise", "HM2")]
public sealed class TopTests
{
    private const string Python = "/usr/bin/python3";

    // Plays the terminal: 80 x 24, then 120 x 40; leaves by the way that it is told. Tells what it saw as JSON.
    private const string Terminal =
        """
        import fcntl, json, os, pty, select, signal, struct, sys, termios, time
        way, command = sys.argv[1], sys.argv[2:]
        master, slave = pty.openpty()
        def size(columns, rows):
            fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        size(80, 24)
        before = termios.tcgetattr(slave)
        child = os.fork()
        if child == 0:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            for fd in (0, 1, 2):
                os.dup2(slave, fd)
            os.close(master)
            os.environ["TERM"] = "xterm"
            os.execv(command[0], command)
        seen = b""
        end = time.monotonic() + 60
        def read_until(done):
            global seen
            while not done(seen):
                if time.monotonic() > end:
                    raise SystemExit("not seen in time; last: " + repr(seen[-2000:]))
                if select.select([master], [], [], 0.1)[0]:
                    seen += os.read(master, 65536)
        def frame(text):
            return text.rsplit(b"\x1b[H", 1)[-1]
        read_until(lambda s: b"POOL" in s and b"reverse" in frame(s))
        first = frame(seen).decode(errors="replace")
        entered = b"\x1b[?1049h" in seen and b"\x1b[?1049l" not in seen
        seen = b""
        size(120, 40)
        read_until(lambda s: frame(s).count(b"\n") == 39 and b"reverse" in frame(s))
        second = frame(seen).decode(errors="replace")
        os.write(master, b"s")
        read_until(lambda s: b"by class" in frame(s))
        if way == "q":
            os.write(master, b"q")
        elif way == "ctrl-c":
            os.write(master, b"\x03")
        else:
            os.kill(child, getattr(signal, way))
        read_until(lambda s: s.endswith(b"\x1b[?1049l") or b"\x1b[?1049l" in s)
        _, status = os.waitpid(child, 0)
        after = termios.tcgetattr(slave)
        print(json.dumps({
            "code": os.waitstatus_to_exitcode(status), "first": first, "second": second,
            "entered": entered, "restored": after == before, "cursor": b"\x1b[?25h" in seen}))
        """;

    [Theory]
    [InlineData("q")]
    [InlineData("ctrl-c")]
    [InlineData("SIGTERM")]
    [InlineData("SIGHUP")]
    public async Task It_draws_resizes_and_leaves_the_terminal_as_it_was(string way)
    {
        Assert.SkipUnless(File.Exists(Python), $"{Python} plays the terminal and is not there");
        await using var runtime = await RuntimeUnderTest.StartAsync(Account.Root);
        await using var client = await runtime.ConnectAsync();
        var image = await Load.PutImageAsync(client);
        await client.RunCallAsync(image, "slow_echo", "10 x"u8.ToArray());
        var long1 = await client.SubmitAsync(TaskSpec.Command("/bin/sleep", "300"));

        var (code, output, errors) = await RunAsync(Python, ["-c", Terminal, way, Installation.Wayang, "top", "--interval", "0.2", "--socket", runtime.SocketPath]);

        Assert.True(code == 0, $"the terminal ended with {code}: {output}{errors}");
        using var seen = JsonDocument.Parse(output);
        var first = seen.RootElement.GetProperty("first").GetString()!;
        Assert.Equal(24, first.Split('\n').Length);
        Assert.Contains("wayang top - ", first, StringComparison.Ordinal);
        Assert.Contains("CLASS", first, StringComparison.Ordinal);
        Assert.Contains(image[..12], first, StringComparison.Ordinal);
        Assert.Equal(40, seen.RootElement.GetProperty("second").GetString()!.Split('\n').Length);
        Assert.Contains(long1.ToString(), seen.RootElement.GetProperty("second").GetString(), StringComparison.Ordinal);
        Assert.True(seen.RootElement.GetProperty("entered").GetBoolean(), "the other screen was not entered");
        Assert.True(seen.RootElement.GetProperty("cursor").GetBoolean(), "the cursor is hidden");
        Assert.True(seen.RootElement.GetProperty("restored").GetBoolean(), "the terminal's settings were not restored");
        Assert.Equal(0, seen.RootElement.GetProperty("code").GetInt32());
        await client.CancelAsync(long1);
    }

    [Fact]
    public async Task Without_a_terminal_it_prints_pictures_lines_and_objects()
    {
        await using var runtime = await RuntimeUnderTest.StartAsync(Account.Root);
        await using var client = await runtime.ConnectAsync();
        var image = await Load.PutImageAsync(client);
        await client.RunCallAsync(image, "slow_echo", "10 x"u8.ToArray());
        List<string> top = ["top", "--socket", runtime.SocketPath];

        var picture = await RunAsync(Installation.Wayang, [.. top, "--once"]);
        Assert.Equal(0, picture.Code);
        Assert.Contains("1 ended", picture.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("\e[", picture.Output, StringComparison.Ordinal);

        var whole = await RunAsync(Installation.Wayang, [.. top, "--once", "--json"]);
        using var document = JsonDocument.Parse(whole.Output);
        Assert.Equal(1, document.RootElement.GetProperty("values").GetProperty("tasks_succeeded").GetInt64());
        Assert.Equal(image, document.RootElement.GetProperty("pools")[0].GetProperty("image").GetString());
        Assert.Equal(1, document.RootElement.GetProperty("workers")[0].GetProperty("calls").GetInt64());

        // Two lines, then the reader leaves.
        var lines = await RunAsync("/bin/sh", ["-c", "\"$@\" --interval 0.1 </dev/null | head -n 2", "sh", Installation.Wayang, .. top]);
        Assert.Equal(2, lines.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Count(static l => l.Contains("ended=1 ", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Operators_lists_tell_what_is_there()
    {
        await using var runtime = await RuntimeUnderTest.StartAsync(Account.Root);
        await using var client = await runtime.ConnectAsync();
        var image = await Load.PutImageAsync(client);
        var call = await client.SubmitAsync(TaskSpec.Call(image, "slow_echo", "5000000 x"u8.ToArray()) with { Class = Contracts.Tasks.TaskClass.Urgent });
        await Eventually.ValueAsync("the call runs", async () => (await client.ListTasksAsync(Contracts.Tasks.TaskState.Running)).Count == 1 ? "" : null);

        var task = Assert.Single(await client.ListTasksAsync());
        Assert.Equal((call, Contracts.Tasks.TaskClass.Urgent, "slow_echo"), (task.Id, task.Class, task.Function));
        Assert.InRange(task.RunMicroseconds, 1, 60_000_000);
        Assert.Contains(await client.ListWorkersAsync(), w => w.State == "busy" && w.InFlight == 1 && w.Image == image && w.ProcessId > 0);
        var pool = Assert.Single(await client.ListPoolsAsync(), p => p.Image == image);
        Assert.Equal((1, 0, "ready"), (pool.Busy, pool.Queued, pool.State));
        Assert.Empty(await client.ListTasksAsync(Contracts.Tasks.TaskState.Queued));
        await client.CancelAsync(call);
    }

    private static async Task<(int Code, string Output, string Errors)> RunAsync(string program, IReadOnlyList<string> arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false })!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, await output, await errors);
    }
}
