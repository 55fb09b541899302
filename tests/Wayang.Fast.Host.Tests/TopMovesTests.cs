using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Host.Top;
using Xunit;

namespace Wayang.Fast.Host.Tests;

/// <summary>What <c>wayang top</c> says of calls that move between nodes.</summary>
public sealed class TopMovesTests
{
    [Fact]
    public void Calls_at_peers_and_those_of_other_nodes_are_shown_with_where_and_why()
    {
        var at = DateTimeOffset.UnixEpoch;
        var lines = Draw(
            Call(1, new TaskLifeFacts { Moves = new TaskMoves("beta", 1, 2 << 20, TimeSpan.FromMilliseconds(41.5), at, MoveReason.Preempted) }),
            Call(2, new TaskLifeFacts { Moves = new TaskMoves(null, 2, 1 << 20, TimeSpan.FromMilliseconds(7), at.AddSeconds(-1)) }),
            Call(3, new TaskLifeFacts { Home = "gamma" }),
            Call(4, null));
        Assert.Contains("moves     1 calls at peers (1 at beta), 1 of other nodes here; the last to move stood still for 41.5 ms (2,048 KiB)", lines);
        Assert.Single(lines, static l => l.EndsWith("(at node beta: preempted)", StringComparison.Ordinal));
        Assert.Single(lines, static l => l.EndsWith("(moved 2 times, is back)", StringComparison.Ordinal));
        Assert.Single(lines, static l => l.EndsWith("(of node gamma)", StringComparison.Ordinal));
    }

    [Fact]
    public void Where_nothing_moved_nothing_is_said_of_it() => Assert.DoesNotContain(Draw(Call(1, null)), static l => l.StartsWith("moves", StringComparison.Ordinal));

    private static List<string> Draw(params TaskInfo[] tasks) => TopView.Draw(
        new TopSample(0, DateTimeOffset.UnixEpoch, new NodeInfo("alpha", "1", DateTimeOffset.UnixEpoch, true, "v2", [], "", new Dictionary<string, long>()), new Dictionary<string, long>(), [], [], [], tasks, []),
        before: null, TopOrder.Longest, reverse: false, width: 300, height: int.MaxValue);

    private static TaskInfo Call(int number, TaskLifeFacts? life) => new(
        new TaskId(0, (ulong)number), TaskKind.Call, TaskState.Running, default, TaskClass.Batch, 0, "image", "function", DateTimeOffset.UnixEpoch, null, 0, 0, 1_000, 0, 0, 0, 0, 0) { Life = life };
}
