using System.Security.Cryptography;
using System.Text;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Tasks;

/// <summary>Files that come with a command, files that it leaves, its environment and its secrets.</summary>
[Trait("Promise", "TR1")]
public sealed class FileTests : IAsyncLifetime
{
    private readonly SocketNode _node = new();
    private WayangClient _client = null!;

    public async ValueTask InitializeAsync() => _client = await _node.ConnectAsync();

    public async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        await _node.DisposeAsync();
    }

    [Fact]
    public async Task Inputs_stand_in_the_working_directory_with_their_modes_and_nobody_elses()
    {
        var big = RandomNumberGenerator.GetBytes(3 << 20);
        var spec = Shell("cat a.txt d/e/b.txt; sha256sum < big; ls -l tool; stat -c %a a.txt tool; ./tool; pwd") with
        {
            WorkingDirectory = "/tmp/job/here",
            Inputs = [Input("a.txt", "one "), Input("d/e/b.txt", "two\n"), new("big", big), new("tool", "#!/bin/sh\necho ran\n"u8.ToArray(), 493), Input("empty", "")],
        };
        var end = await _client.RunAsync(spec);
        var said = Text(end.Stdout);
        Assert.True(end.Succeeded, Text(end.Stderr));
        Assert.StartsWith("one two\n" + Convert.ToHexStringLower(SHA256.HashData(big)), said, StringComparison.Ordinal);
        Assert.EndsWith("644\n755\nran\n/tmp/job/here\n", said, StringComparison.Ordinal);
        Assert.Equal("", Text((await _client.RunAsync(Shell("ls -A /tmp"))).Stdout));
    }

    [Theory]
    [InlineData("../x", "'..'")]
    [InlineData("/etc/x", "absolute")]
    [InlineData("a//b", "empty part")]
    [InlineData("a/./b", "empty part")]
    public async Task Paths_that_lead_out_are_refused(string path, string why)
    {
        var refused = await RefusedAsync(Shell("true") with { Inputs = [Input(path, "x")] });
        Assert.Equal((ErrorCode.InvalidArgument, "inputs"), (refused.Code, refused.Field));
        Assert.Contains(why, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Inputs_that_contradict_each_other_or_their_place_are_refused()
    {
        Assert.Contains("twice", (await RefusedAsync(Shell("true") with { Inputs = [Input("a", "x"), Input("a", "y")] })).Message, StringComparison.Ordinal);
        Assert.Contains("as a file and as a directory", (await RefusedAsync(Shell("true") with { Inputs = [Input("a/b", "x"), Input("a", "y")] })).Message, StringComparison.Ordinal);
        Assert.Equal("cwd", (await RefusedAsync(Shell("true") with { Inputs = [Input("a", "x")], WorkingDirectory = "/usr" })).Field);
        Assert.Equal("cwd", (await RefusedAsync(Shell("true") with { Inputs = [Input("a", "x")], WorkingDirectory = "/tmp/../usr" })).Field);
        Assert.Equal("secrets", (await RefusedAsync(Shell("true") with { Secrets = Secret("a/b", "x") })).Field);
        await _node.Node.PutAsync("good", Plugins.Good);
        Assert.Contains("kind exec", (await RefusedAsync(TaskSpec.Call("good", "echo") with { Inputs = [Input("a", "x")] })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Input_that_cannot_be_written_ends_the_task_with_its_name()
    {
        // No file system takes a name of 256 bytes.
        var end = await _client.RunAsync(Shell("echo never") with { WorkingDirectory = "/tmp/" + new string('d', 256), Inputs = [Input("a", "x")] });
        Assert.Equal((CauseType.Exit, 126, ""), (end.Cause.Type, end.Cause.Value, Text(end.Stdout)));
        Assert.Contains("cannot write the input '/tmp/ddd", Text(end.Stderr), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Artifacts_are_hashed_listed_and_read_in_pieces()
    {
        var end = await _client.RunAsync(Shell("mkdir -p out/d/e; seq 1 100000 > out/d/e/numbers; printf x > out/one; : > out/none; exit 3") with { Artifacts = new ArtifactLimits() });
        Assert.Equal((CauseType.Exit, 3), (end.Cause.Type, end.Cause.Value));
        Assert.Equal(["d/e/numbers", "none", "one"], end.Artifacts!.Files.Select(static file => file.Name));
        Assert.Equal((0L, null), (end.Artifacts.LeftOut, end.Artifacts.Problem));
        var listed = (await _client.GetAsync(end.Id)).Artifacts!.Files[0];
        Assert.Equal(end.Artifacts.Files[0], listed);
        using var whole = new MemoryStream();
        while (whole.Length < listed.Bytes)
        {
            var piece = await _client.ReadArtifactAsync(end.Id, listed.Name, whole.Length, 70_001);
            Assert.Equal((listed.Bytes, listed.Sha256), (piece.Bytes, piece.Sha256));
            await whole.WriteAsync(piece.Data);
        }

        Assert.Equal(listed.Sha256, Convert.ToHexStringLower(SHA256.HashData(whole.ToArray())));
        Assert.EndsWith("\n100000\n", Encoding.UTF8.GetString(whole.ToArray()), StringComparison.Ordinal);
        var missing = await Assert.ThrowsAsync<WayangException>(() => _client.ReadArtifactAsync(end.Id, "nothing"));
        Assert.Equal((ErrorCode.NotFound, "name"), (missing.Code, missing.Field));
        Assert.Null((await _client.RunAsync(Shell("mkdir out; echo x > out/x"))).Artifacts);
    }

    [Fact]
    public async Task Links_pipes_and_what_is_over_the_bounds_are_left_out_and_told()
    {
        var end = await _client.RunAsync(Shell("cd out; ln -s /etc/passwd link; ln -s /tmp dir; mkfifo pipe; echo ok > file; head -c 100 /dev/zero > big; touch secret; chmod 0 secret")
            with { Artifacts = new ArtifactLimits(MaxBytes: 50), Secrets = Secret("key", "hidden") });
        Assert.Equal(["file"], end.Artifacts!.Files.Select(static file => file.Name));
        Assert.Equal((5L, 100L), (end.Artifacts.LeftOut, end.Artifacts.LeftOutBytes));

        // out/ itself as a link: nothing is collected, least of all what it points to.
        end = await _client.RunAsync(Shell("rmdir out; ln -s /run/secrets out; ln /run/secrets/key hard; exit 0") with { Artifacts = new ArtifactLimits(), Secrets = Secret("key", "hidden") });
        Assert.Empty(end.Artifacts!.Files);
        end = await _client.RunAsync(Shell("for i in 1 2 3 4 5; do echo $i > out/$i; done") with { Artifacts = new ArtifactLimits(MaxFiles: 2) });
        Assert.Equal((2, 3L), (end.Artifacts!.Files.Count, end.Artifacts.LeftOut));
    }

    [Fact]
    public async Task Processes_that_stay_behind_change_nothing_while_artifacts_are_read()
    {
        for (var turn = 0; turn < 5; turn++)
        {
            var end = await _client.RunAsync(Shell("(trap '' TERM HUP; setsid sh -c 'while :; do head -c 300000 /dev/zero > out/x; : > out/x; done' &) ; seq 1 1000 > out/y; exit 0")
                with { Artifacts = new ArtifactLimits() });
            Assert.True(end.Succeeded, Text(end.Stderr));
            Assert.Null(end.Artifacts!.Problem);
            Assert.Contains("y", end.Artifacts.Files.Select(static file => file.Name));
        }
    }

    [Fact]
    public async Task Artifacts_of_a_killed_command_may_be_missing_and_that_is_told()
    {
        var id = await _client.SubmitAsync(Shell("echo x > out/x; echo there; exec sleep 1000") with { Artifacts = new ArtifactLimits(), Timeout = TimeSpan.FromSeconds(600) });
        await _client.ReadOutputAsync(id, TaskStream.Stdout, wait: TimeSpan.FromSeconds(60));
        await _client.CancelAsync(id);
        var end = await _client.WaitAsync(id);
        Assert.Equal(TaskState.Cancelled, end.State);
        Assert.Equal(["x"], end.Artifacts!.Files.Select(static file => file.Name)); // it ended by SIGTERM: its init had the time
    }

    [Fact]
    [Trait("Promise", "SX1")]
    public async Task Environment_is_the_documented_one_and_nothing_of_the_daemons()
    {
        Environment.SetEnvironmentVariable("WAYANG_TEST_LEAK", "leaked");
        var end = await _client.RunAsync(TaskSpec.Command("env"));
        Assert.Equal(["HOME=/tmp", "LANG=C.UTF-8", "PATH=/usr/local/bin:/usr/bin:/bin"], Lines(end.Stdout));
        end = await _client.RunAsync(TaskSpec.Command("env") with { Environment = new Dictionary<string, string>(StringComparer.Ordinal) { ["HOME"] = "/", ["MINE"] = "1" } });
        Assert.Equal(["HOME=/", "LANG=C.UTF-8", "MINE=1", "PATH=/usr/local/bin:/usr/bin:/bin"], Lines(end.Stdout));
    }

    [Fact]
    [Trait("Promise", "SX1")]
    public async Task Secret_stands_in_its_file_and_nowhere_else()
    {
        const string secret = "S3CRET-4711-value";
        const string script = """
            cat /run/secrets/token
            echo changed > /run/secrets/token && echo written
            cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr '\0' '\n'
            ls -l /proc/1/fd 2>/dev/null
            grep -rl S3CRET /tmp /etc/passwd /dev/shm 2>/dev/null
            ulimit -c
            """;
        var end = await _client.RunAsync(Shell("cat > s.sh; sh s.sh") with { Stdin = Encoding.UTF8.GetBytes(script.Replace("S3CRET", "S3[C]RET", StringComparison.Ordinal)), Secrets = Secret("token", secret) });
        var said = Text(end.Stdout);
        Assert.StartsWith(secret, said, StringComparison.Ordinal);
        Assert.DoesNotContain("S3CRET", said[secret.Length..], StringComparison.Ordinal);
        Assert.DoesNotContain("written", said, StringComparison.Ordinal);
        Assert.EndsWith("\n0\n", said, StringComparison.Ordinal);
        Assert.DoesNotContain(secret, (await _client.GetAsync(end.Id)).ToString(), StringComparison.Ordinal);

        // Gone with the task: the next one has no secret, and the daemon's copy was overwritten.
        Assert.Equal("", Text((await _client.RunAsync(Shell("ls -A /run/secrets"))).Stdout));
    }

    private static TaskSpec Shell(string script) => TaskSpec.Command("sh", "-c", script);

    private static TaskInput Input(string path, string text) => new(path, Encoding.UTF8.GetBytes(text));

    private static Dictionary<string, ReadOnlyMemory<byte>> Secret(string name, string value) =>
        new(StringComparer.Ordinal) { [name] = Encoding.UTF8.GetBytes(value) };

    private static string Text(ReadOnlyMemory<byte> bytes) => Encoding.UTF8.GetString(bytes.Span);

    private static string[] Lines(ReadOnlyMemory<byte> bytes) => [.. Text(bytes).Split('\n', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal)];

    private async Task<WayangException> RefusedAsync(TaskSpec spec) => await Assert.ThrowsAsync<WayangException>(() => _client.SubmitAsync(spec));
}
