using System.Security.Cryptography;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Kill;

/// <summary>The command line's own ends: what a person does to <c>wayang serve</c> and <c>wayang run</c>.</summary>
[Collection("runtimes")]
public sealed class CommandLineTests : IDisposable
{
    private const int Bound = 300_000;

    // Joins the groups, then goes where nobody else's runtime is: /run/wayang is one for the whole machine.
    private const string Join = "for g in $TEST_GROUPS; do echo $$ > $g/cgroup.procs || exit 99; done; unset TEST_GROUPS; exec \"$@\"";
    private const string OwnRun = "mount -t tmpfs -o mode=0755 tmpfs /run && exec \"$@\"";

    private readonly string _scratch = Directory.CreateTempSubdirectory("wayang-cli-").FullName;
    private readonly ResourceGroups? _groups;

    public CommandLineTests()
    {
        Assert.SkipUnless(Installation.Missing is null, Installation.Missing ?? "");
        Assert.SkipUnless(Installation.IsRoot, "needs root: a private /run");
        _groups = new ResourceGroups("test-" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(6)));
    }

    public void Dispose()
    {
        _groups?.Dispose();
        Directory.Delete(_scratch, recursive: true);
    }

    [Fact(Timeout = Bound)]
    [Trait("Promise", "PS1")]
    public async Task A_terminated_serve_ends_in_order_with_tasks_under_way()
    {
        await using var serve = await StartAsync("serve");
        var socket = $"/proc/{serve.ProgramPid}/root/run/wayang/wayang.sock";
        var client = await Eventually.ValueAsync("serve answers", async () =>
        {
            try
            {
                return File.Exists(socket) ? await WayangClient.ConnectAsync(new WayangClientOptions { SocketPath = socket }) : null;
            }
            catch (WayangException refused) when (refused.Code == ErrorCode.Unavailable)
            {
                return null;
            }
        });
        await using (client)
        {
            await Load.SubmitAsync(client, await Load.PutImageAsync(client));
            await Load.UnderWayAsync(client);
            Signals.Terminate(serve.ProgramPid);
            Assert.Equal("code 0", await serve.WaitForEndAsync());
        }

        await NothingIsLeftAsync(serve);
    }

    [Fact(Timeout = Bound)]
    [Trait("Promise", "PS1")]
    public async Task A_killed_serve_takes_its_runtime_along() => await KilledAsync("wayang-spawner", "serve");

    [Fact(Timeout = Bound)]
    [Trait("Promise", "PS1")]
    public async Task A_killed_run_takes_its_private_runtime_and_its_command_along() =>
        await KilledAsync("sleep", "run", "--", "/bin/sleep", "600");

    private async Task KilledAsync(string untilThere, params string[] arguments)
    {
        await using var program = await StartAsync(arguments);
        await Eventually.TrueAsync($"{untilThere} runs", () => program.Processes().Exists(p => p.Name == untilThere));
        Signals.Kill(program.ProgramPid);
        Assert.Equal("signal 9", await program.WaitForEndAsync());
        await NothingIsLeftAsync(program);
    }

    /// <summary>The last process took the namespace with /run, and all that was mounted or lay there.</summary>
    private async Task NothingIsLeftAsync(Orphanage program) => await Eventually.EmptyAsync("left", () =>
    [
        .. program.Processes().Select(static p => p.ToString()),
        .. _groups!.Inner(),
    ]);

    private async Task<Orphanage> StartAsync(params string[] arguments) => await Orphanage.StartAsync(
        Path.Combine(_scratch, "log"),
        ["/bin/sh", "-c", Join, "sh", "unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", OwnRun, "sh", Installation.Wayang, .. arguments],
        new Dictionary<string, string?>(StringComparer.Ordinal) { ["TEST_GROUPS"] = string.Join(' ', _groups!.Paths) });
}
