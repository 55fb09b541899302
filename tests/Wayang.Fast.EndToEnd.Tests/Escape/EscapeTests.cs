using System.Net.Sockets;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Escape;

/// <summary>
/// Each attempt of the suite as a task, while an innocent tenant's calls go on and are checked to the byte. One row a room and
/// mode, so that a failure names all of its attempts at once.
/// </summary>
[Trait("Promise", "IM1")]
[Trait("Promise", "IM2")]
[Trait("Promise", "IM3")]
[Trait("Promise", "SX1")]
[Collection("runtimes")]
public sealed class EscapeTests(ITestOutputHelper output)
{
    private const string ForeignEntry = "foreign_entry";
    private const int Hostile = 1;
    private const int Innocent = 2;
    private const int Successor = 3;
    private const uint Endless = 700;

    /// <summary>Rooms that take seconds for each mode: one mode each, all of them where WAYANG_TEST_LONG is 1.</summary>
    private static readonly bool s_all = Environment.GetEnvironmentVariable("WAYANG_TEST_LONG") == "1";

    public static TheoryData<string, EscapeMode> Rows()
    {
        var rows = new TheoryData<string, EscapeMode>();
        foreach (var room in EscapeTable.Rooms.Keys)
        {
            foreach (var mode in Enum.GetValues<EscapeMode>())
            {
                if (s_all || room != "greed" || mode == EscapeMode.StandardCommand)
                {
                    rows.Add(room, mode);
                }
            }
        }

        return rows;
    }

    [Theory]
    [MemberData(nameof(Rows))]
    public async Task Attempts_end_as_the_table_says_and_nobody_beside_notices(string room, EscapeMode mode)
    {
        using var host = room == "network" ? ListenAbstract() : null;
        using var node = new LiveNode();
        var beside = await CheckedLoad.StartAsync(node, Innocent);
        var run = new EscapeRun(node, mode);
        var wrong = new List<string>();
        foreach (var one in EscapeTable.Rooms[room].Where(c => c.Under(mode) != "-" && Applies(node, c.Name)))
        {
            var expected = one.Name == ForeignEntry && !await HasForeignEntryAsync() ? ["signal 11"] : Alternatives(node, one.Under(mode));
            var before = beside.Checked;
            var (outcome, end) = await run.AttemptAsync(
                one.Name, one.Name.StartsWith("find_", StringComparison.Ordinal) ? Successor : Hostile, expected is ["timeout"] ? Endless : 60_000);
            output.WriteLine($"{one.Name}: {outcome}");
            if (!expected.Contains(outcome, StringComparer.Ordinal))
            {
                wrong.Add($"{one.Name} under {mode}: {outcome}, wanted {string.Join(" or ", expected)} | {end}");
            }

            await LiveNode.UntilAsync(() => beside.Checked > before, $"an innocent call ends beside or after {one.Name}");
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        if (mode == EscapeMode.StandardCommand)
        {
            await LiveNode.UntilAsync(
                () => !ProcessTable.Below(node.SpawnerPid).Exists(static p => p.Name == "escape"), "nothing of an ended command is left");
        }

        Assert.True(await beside.StopAsync() > 0);
    }

    [Fact]
    public async Task The_table_has_each_attempt_of_the_program_once()
    {
        var end = await Finished.RunAsync(Account.Root, [EscapeRun.ProgramPath]);
        var known = EscapeTable.Rooms.Values.SelectMany(static r => r).Select(static c => c.Name).Order(StringComparer.Ordinal).ToList();
        Assert.Equal(known, end.Out.TrimEnd('\n').Split('\n').Order(StringComparer.Ordinal));
        Assert.True(known.Count >= 60);
    }

    /// <summary>All threads and children at once: one of them is named, and the end is told once.</summary>
    [Fact]
    [Trait("Promise", "TR4")]
    public async Task Many_violations_at_once_are_one_end()
    {
        using var node = new LiveNode();
        for (var i = 0; i < 20; i++)
        {
            var id = node.Begin(node.Command(), [], out var waiter, 60_000, LiveNode.Normal, new Core.Ports.CommandLine(
                ["/bin/sh", "-c", "for i in 1 2 3 4 5 6 7 8; do unshare -r true & chroot / true & done; wait; sleep 600"], [], WorkingDirectory: null));
            var end = await waiter.Ended.WaitAsync(LiveNode.Patience);
            Assert.True(end.Cause.Detail is "unshare" or "chroot", $"{id}: {end}");
            Assert.Equal(Contracts.Tasks.CauseType.SandboxViolation, end.Cause.Type);
            Assert.Equal(1, waiter.Told);
        }
    }

    /// <summary>Some hosts' kernels or hypervisors have no entry for the other architecture: then the attempt dies of it anywhere, sandbox or not.</summary>
    private static async Task<bool> HasForeignEntryAsync() =>
        (await Finished.RunAsync(Account.Root, [EscapeRun.ProgramPath, ForeignEntry])).Out.Contains("went", StringComparison.Ordinal);

    /// <summary>Nothing but a memory group bounds memory files: where there is none that is told (README, "Honest limits"), and not tried.</summary>
    private bool Applies(LiveNode node, string name)
    {
        if (name != "memfd_bomb" || node.HasMemoryGroup)
        {
            return true;
        }

        output.WriteLine($"{name}: not tried: this host gives no memory group");
        return false;
    }

    /// <summary>Without a memory group each process has a limit of its own and sees an allocation fail.</summary>
    private static string[] Alternatives(LiveNode node, string expected)
    {
        var all = expected.Split('|');
        return !node.HasMemoryGroup && all.Contains("out_of_memory", StringComparer.Ordinal) ? [.. all, "ENOMEM", "EMFILE", "ENOSPC", "EAGAIN"] : all;
    }

    private static Socket ListenAbstract()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint("\0wayang-escape-test"));
        socket.Listen();
        return socket;
    }
}
