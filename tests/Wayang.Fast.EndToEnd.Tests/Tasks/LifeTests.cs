using System.Diagnostics;
using System.Globalization;
using System.Text;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Tasks;

/// <summary>Families, groups, deadlines, idempotency keys, updates and pauses, as a client asks for them over the socket.</summary>
[Trait("Promise", "TR1")]
public sealed class LifeTests : IAsyncLifetime
{
    private SocketNode _node = null!;
    private WayangClient _client = null!;

    public async ValueTask InitializeAsync()
    {
        _node = new SocketNode();
        _client = await _node.ConnectAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        await _node.DisposeAsync();
    }

    private static TaskSpec Shell(string script) => TaskSpec.Command("/bin/sh", "-c", script);

    private async Task<TaskId> RunningAsync(TaskSpec spec)
    {
        var id = await _client.SubmitAsync(spec);
        await StateAsync(id, TaskState.Running);
        return id;
    }

    private async Task StateAsync(TaskId id, TaskState state)
    {
        var until = Stopwatch.GetTimestamp() + (60 * Stopwatch.Frequency);
        while ((await _client.GetAsync(id)).State is var now && now != state)
        {
            Assert.True(now < TaskState.Succeeded && Stopwatch.GetTimestamp() < until, $"{now} instead of {state}");
        }
    }

    /// <summary>Commands that take every slot of their pool, so that later ones wait.</summary>
    private async Task FillAsync()
    {
        var slots = (await _client.NodeInfoAsync()).Limits["max_workers_per_pool"];
        for (var i = 0; i < slots; i++)
        {
            await RunningAsync(Shell("sleep 600") with { Group = "fill" });
        }
    }

    [Fact]
    public async Task A_group_is_counted_waited_for_and_cancelled()
    {
        var slow = await RunningAsync(Shell("sleep 600") with { Group = "g" });
        var quick = await _client.RunAsync(Shell("exit 0") with { Group = "g" });
        Assert.Equal("g", (await _client.GetAsync(slow)).Life!.Group);
        var group = await _client.GetGroupAsync("g");
        await _client.RunAsync(Shell("exit 0") with { Group = "f" });
        var first = await _client.ListGroupsAsync(limit: 1);
        Assert.Equal(("f", 0L, 1L), first.Groups.Single() is { } f ? (f.Group, f.Live, f.Ended[TaskState.Succeeded]) : default);
        var second = await _client.ListGroupsAsync(limit: 1, first.Next);
        Assert.Equal(("g", 1L, null), second.Groups.Single() is { } listed ? (listed.Group, listed.Live, second.Next) : default);
        Assert.Equal("cursor", (await Assert.ThrowsAsync<WayangException>(() => _client.ListGroupsAsync(1, "AAAA"))).Field);
        Assert.Equal((1L, 1L, 1L), (group.Live, group.States[TaskState.Running], group.States[TaskState.Succeeded]));
        Assert.True(quick.Succeeded);
        var early = await Assert.ThrowsAsync<WayangException>(() => _client.WaitGroupAsync("g", TimeSpan.FromMilliseconds(20)));
        Assert.Equal(ErrorCode.WaitTimeout, early.Code);
        var wait = _client.WaitGroupAsync("g");
        Assert.Equal(1, await _client.CancelGroupAsync("g"));
        group = await wait.WaitAsync(LiveNode.Patience);
        Assert.Equal((0L, 1L), (group.Live, group.States[TaskState.Cancelled]));
        var end = await _client.WaitAsync(slow);
        Assert.Equal((TaskState.Cancelled, CauseType.Cancelled, "its group g was cancelled"), (end.State, end.Cause.Type, end.Cause.Detail));
        Assert.Equal(ErrorCode.NotFound, (await Assert.ThrowsAsync<WayangException>(() => _client.GetGroupAsync("other"))).Code);
    }

    [Fact]
    public async Task Children_end_with_their_parent_unless_they_are_detached()
    {
        var parent = await RunningAsync(Shell("sleep 600"));
        var child = await RunningAsync(Shell("sleep 600") with { Parent = parent });
        var grandchild = await RunningAsync(Shell("sleep 600") with { Parent = child });
        Assert.Equal(child, (await _client.GetAsync(grandchild)).Life!.Parent);
        await _client.CancelAsync(parent);
        foreach (var (id, above) in new[] { (child, parent), (grandchild, child) })
        {
            var end = await _client.WaitAsync(id).WaitAsync(LiveNode.Patience);
            Assert.Equal((TaskState.Cancelled, $"its parent {above} was cancelled"), (end.State, end.Cause.Detail));
        }

        parent = await RunningAsync(Shell("cat") with { Stdin = "x"u8.ToArray(), Timeout = TimeSpan.FromMinutes(5) } with { Arguments = ["/bin/sleep", "1"] });
        child = await RunningAsync(Shell("sleep 600") with { Parent = parent });
        var detached = await RunningAsync(Shell("sleep 600") with { Parent = parent, Detached = true });
        Assert.True((await _client.WaitAsync(parent)).Succeeded);
        var ended = await _client.WaitAsync(child).WaitAsync(LiveNode.Patience);
        Assert.Equal((TaskState.Cancelled, $"its parent {parent} ended"), (ended.State, ended.Cause.Detail));
        Assert.Equal(TaskState.Running, (await _client.GetAsync(detached)).State);
        var late = await Assert.ThrowsAsync<WayangException>(() => _client.SubmitAsync(Shell("true") with { Parent = parent }));
        Assert.Equal((ErrorCode.InvalidArgument, "parent"), (late.Code, late.Field));
        await _client.CancelAsync(detached);
        await _client.WaitAsync(detached);
    }

    [Fact]
    public async Task Families_are_bounded()
    {
        var id = await RunningAsync(Shell("sleep 600"));
        var first = id;
        for (var depth = 0; depth < 16; depth++)
        {
            id = await _client.SubmitAsync(Shell("sleep 600") with { Parent = id });
        }

        var deep = await Assert.ThrowsAsync<WayangException>(() => _client.SubmitAsync(Shell("true") with { Parent = id }));
        Assert.Equal((ErrorCode.ResourceExhausted, "parent"), (deep.Code, deep.Field));
        await _client.CancelAsync(first);
        Assert.Equal(TaskState.Cancelled, (await _client.WaitAsync(id).WaitAsync(LiveNode.Patience)).State);
    }

    [Fact]
    public async Task A_deadline_stops_what_runs_and_what_waits()
    {
        await FillAsync();
        var waiting = await _client.RunAsync(Shell("echo never") with { Deadline = DateTimeOffset.UtcNow.AddMilliseconds(300) }).WaitAsync(LiveNode.Patience);
        Assert.Equal((TaskState.TimedOut, CauseType.DeadlinePassed, 0L), (waiting.State, waiting.Cause.Type, waiting.RunMicroseconds));
        await _client.CancelGroupAsync("fill");
        await _client.WaitGroupAsync("fill");
        var running = await _client.RunAsync(Shell("echo begun; sleep 600") with { Deadline = DateTimeOffset.UtcNow.AddSeconds(1), Retry = new(5) }).WaitAsync(LiveNode.Patience);
        Assert.Equal((TaskState.TimedOut, CauseType.DeadlinePassed), (running.State, running.Cause.Type));
        Assert.Equal("begun\n", Encoding.ASCII.GetString(running.Stdout.Span));
        Assert.Equal(1, running.Life!.Attempt); // what has no time left is not tried again
        var past = await Assert.ThrowsAsync<WayangException>(() => _client.SubmitAsync(Shell("true") with { Deadline = DateTimeOffset.UtcNow.AddSeconds(-1) }));
        Assert.Equal((ErrorCode.InvalidArgument, "deadline"), (past.Code, past.Field));
    }

    [Fact]
    public async Task A_running_call_is_stopped_by_its_deadline()
    {
        await _node.Node.PutAsync("good", Plugins.Good);
        foreach (var function in new[] { "endless", "until_cancelled" })
        {
            var end = await _client.RunAsync(TaskSpec.Call("good", function) with { Deadline = DateTimeOffset.UtcNow.AddMilliseconds(500) }).WaitAsync(LiveNode.Patience);
            Assert.Equal((TaskState.TimedOut, CauseType.DeadlinePassed), (end.State, end.Cause.Type));
        }
    }

    [Fact]
    public async Task The_same_key_is_the_same_task()
    {
        var spec = Shell("sleep 0.3; echo once") with { IdempotencyKey = "k" };
        var id = await _client.SubmitAsync(spec);
        var runs = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => _client.RunAsync(spec)));
        Assert.All(runs, r => Assert.Equal((id, "once\n"), (r.Id, Encoding.ASCII.GetString(r.Stdout.Span))));
        Assert.Equal(id, (await _client.RunAsync(spec with { Deadline = DateTimeOffset.UtcNow.AddHours(1) })).Id); // ended
        var other = await Assert.ThrowsAsync<WayangException>(() => _client.SubmitAsync(spec with { Priority = 30 }));
        Assert.Equal((ErrorCode.Conflict, "idempotency_key"), (other.Code, other.Field));
        var stats = await _client.NodeStatsAsync();
        Assert.Equal((1L, 21L, 1L), (stats["tasks_succeeded"], stats["idempotency_repeats"], stats["idempotency_conflicts"]));
    }

    [Fact]
    public async Task Submissions_of_one_key_at_once_make_one_task()
    {
        var clients = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => _node.ConnectAsync()));
        for (var round = 0; round < 20; round++)
        {
            var spec = TaskSpec.Command("/bin/true") with { IdempotencyKey = string.Create(CultureInfo.InvariantCulture, $"key-{round}") };
            var ids = await Task.WhenAll(clients.Select(c => c.SubmitAsync(spec)));
            Assert.Single(ids.Distinct());
        }

        foreach (var client in clients)
        {
            await client.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_queued_task_is_moved_and_a_started_one_is_not()
    {
        await FillAsync();
        var clock = Shell("date +%s%N"); // one slot comes free: they run one after the other
        var first = await _client.SubmitAsync(clock);
        var second = await _client.SubmitAsync(clock);
        var last = await _client.SubmitAsync(clock with { Class = TaskClass.Urgent });
        await _client.UpdateAsync(second, TaskClass.Urgent, priority: 50);
        await _client.UpdateAsync(last, TaskClass.Idle);
        await _client.UpdateAsync(last, TaskClass.Batch, timeout: TimeSpan.FromSeconds(7));
        var info = await _client.GetAsync(last);
        Assert.Equal((TaskClass.Batch, TaskState.Queued), (info.Class, info.State));
        var stopped = (await _client.ListTasksAsync(TaskState.Running))[0].Id;
        await _client.CancelAsync(stopped);
        var started = new List<(long At, TaskId Id)>();
        foreach (var id in new[] { first, second, last })
        {
            var end = await _client.WaitAsync(id).WaitAsync(LiveNode.Patience);
            started.Add((long.Parse(Encoding.UTF8.GetString(end.Stdout.Span), CultureInfo.InvariantCulture), id));
        }

        Assert.Equal([second, first, last], started.OrderBy(static s => s.At).Select(static s => s.Id));
        var late = await Assert.ThrowsAsync<WayangException>(() => _client.UpdateAsync(last, TaskClass.Urgent));
        Assert.Equal("task", late.Field);
        var running = (await _client.ListTasksAsync(TaskState.Running))[0].Id;
        Assert.Equal(ErrorCode.Conflict, (await Assert.ThrowsAsync<WayangException>(() => _client.UpdateAsync(running, TaskClass.Urgent))).Code);
        Assert.Equal(0, (await _client.NodeStatsAsync())["queue_places_left"]);
        await _client.CancelGroupAsync("fill");
        await _client.WaitGroupAsync("fill");
    }

    [Fact]
    public async Task A_paused_queued_task_waits_until_it_is_resumed()
    {
        await FillAsync();
        var paused = await _client.SubmitAsync(Shell("echo resumed"));
        await _client.PauseAsync(paused);
        var later = await _client.SubmitAsync(Shell("echo later"));
        await _client.CancelGroupAsync("fill");
        await _client.WaitGroupAsync("fill");
        Assert.True((await _client.WaitAsync(later)).Succeeded);
        var info = await _client.GetAsync(paused);
        Assert.Equal((TaskState.Queued, true), (info.State, info.Life!.Paused));
        await _client.ResumeAsync(paused);
        Assert.Equal("resumed\n", Encoding.ASCII.GetString((await _client.WaitAsync(paused).WaitAsync(LiveNode.Patience)).Stdout.Span));
    }

    /// <summary>Children, orphans and other sessions stand still too, and the time of the pause is not the task's.</summary>
    [Fact]
    public async Task A_paused_command_stands_still_with_all_its_processes_and_its_timeout()
    {
        const string script = "setsid sh -c 'while :; do echo .; done' & for i in 1 2 3; do (while :; do :; done) & done; while :; do echo .; done";
        var id = await RunningAsync(Shell(script) with { Timeout = TimeSpan.FromSeconds(3) });
        await LiveNode.UntilAsync(() => StatesBelow(_node.Node.SpawnerPid).Count > 3, "it has all its processes");
        await _client.PauseAsync(id);
        await _client.PauseAsync(id);
        Assert.True((await _client.GetAsync(id)).Life!.Paused);
        await LiveNode.UntilAsync(() => StatesBelow(_node.Node.SpawnerPid) is { Count: > 3 } all && all.TrueForAll(StandsStill), "all processes stand still");
        var written = (await _client.GetAsync(id)).StdoutBytes;

        // Another with as much time, begun later, is over its own before we look.
        var clock = await _client.SubmitAsync(TaskSpec.Command("/bin/cat", "/dev/zero") with { Timeout = TimeSpan.FromSeconds(3) });
        Assert.Equal(TaskState.TimedOut, (await _client.WaitAsync(clock).WaitAsync(LiveNode.Patience)).State);
        var info = await _client.GetAsync(id);
        Assert.Equal((TaskState.Running, true), (info.State, info.Life!.Paused));
        Assert.InRange(info.StdoutBytes, written, written + (256 << 10)); // what stood in the pipe
        await _client.ResumeAsync(id);
        await LiveNode.UntilAsync(() => !StatesBelow(_node.Node.SpawnerPid).TrueForAll(StandsStill), "they go on");
        var end = await _client.WaitAsync(id).WaitAsync(LiveNode.Patience);
        Assert.Equal((TaskState.TimedOut, CauseType.Timeout), (end.State, end.Cause.Type));

        id = await RunningAsync(Shell("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.1; done"));
        await LiveNode.UntilAsync(() => _client.GetAsync(id).GetAwaiter().GetResult().StdoutBytes > 0, "it listens");
        await _client.PauseAsync(id);
        await _client.CancelAsync(id); // a paused command gets its grace too
        end = await _client.WaitAsync(id).WaitAsync(LiveNode.Patience);
        Assert.Equal((TaskState.Cancelled, "ready\nbye\n"), (end.State, Encoding.ASCII.GetString(end.Stdout.Span)));
    }

    [Fact]
    public async Task A_running_call_says_why_it_is_not_paused()
    {
        await _node.Node.PutAsync("good", Plugins.Good);
        var id = await RunningAsync(TaskSpec.Call("good", "until_cancelled"));
        var refusal = await Assert.ThrowsAsync<WayangException>(() => _client.PauseAsync(id));
        Assert.Equal((ErrorCode.Unsupported, "task"), (refusal.Code, refusal.Field));
        await _client.CancelAsync(id);
        await _client.WaitAsync(id);
        Assert.Equal(ErrorCode.InvalidArgument, (await Assert.ThrowsAsync<WayangException>(() => _client.PauseAsync(id))).Code);
    }

    /// <summary>As the kernel shows what a freezer holds (uninterruptible), or SIGSTOP stopped.</summary>
    private static bool StandsStill(char state) => state is 'D' or 'T';

    /// <summary>States of the commands' own processes: all in the namespaces below their init.</summary>
    private static List<char> StatesBelow(int spawner)
    {
        var parents = new Dictionary<int, (int Parent, char State, string Name)>();
        foreach (var directory in Directory.EnumerateDirectories("/proc").Where(static d => char.IsAsciiDigit(Path.GetFileName(d)[0])))
        {
            try
            {
                var stat = File.ReadAllText(Path.Combine(directory, "stat"));
                var rest = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
                var name = stat[(stat.IndexOf('(', StringComparison.Ordinal) + 1)..stat.LastIndexOf(')')];
                parents[int.Parse(Path.GetFileName(directory), CultureInfo.InvariantCulture)] = (int.Parse(rest[1], CultureInfo.InvariantCulture), rest[0][0], name);
            }
            catch (IOException)
            {
                // It ended between the listing and the look.
            }
        }

        bool Below(int pid) => parents.TryGetValue(pid, out var p) && (p.Parent == spawner || Below(p.Parent));
        return [.. parents.Where(p => p.Value.Name is "sh" or "sleep" && Below(p.Key)).Select(static p => p.Value.State)];
    }
}
