using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Wayang.Fast.Core.Scheduling;

/// <content>
/// Tasks with a deadline: a flow that has some has a heap of them before its FIFO, the earliest deadline first, equal ones in the order in which they came. So that
/// what has none is not kept waiting by what has one, the FIFO's head goes after <see cref="Scheduler.MostDueInARow"/> of the heap in a row.
/// <para>A skew heap: nodes in one array, linked by number (0 is none), O(log n) amortized, no allocation below the greatest number of nodes so far. A flow
/// without a heap pays one comparison for each task that leaves.</para>
/// </content>
internal sealed partial class FlowQueues
{
    private Node[] _nodes = new Node[1];
    private int _nodeCount = 1;
    private int _freeNode;
    private uint _order;

    [StructLayout(LayoutKind.Sequential)]
    private struct Node
    {
        public long Deadline;
        public uint Order;
        public uint Since;
        public int Task;
        public int Left; // of a free one: the next free one
        public int Right;
    }

    /// <summary>Puts a task before those of later deadlines, and before those without one.</summary>
    /// <param name="deadline">Not 0; what is smaller is earlier.</param>
    public void AppendDeadline(int flow, int task, uint since, long deadline)
    {
        var node = TakeNode();
        _nodes[node] = new Node { Deadline = deadline, Order = _order++, Since = since, Task = task };
        ref var f = ref _flows[flow];
        f.Deadlines = Merge(f.Deadlines, node);
        f.DeadlineCount++;
    }

    /// <summary>
    /// Takes a task that began to wait more than <paramref name="bound"/> before <paramref name="now"/>: the oldest without a deadline, else that of the earliest
    /// deadline. Those behind it in the heap wait for it, at most until their own deadline.
    /// </summary>
    public bool TryTakeOverdue(int flow, uint now, uint bound, out int task, out long deadline, out bool emptied)
    {
        ref var f = ref _flows[flow];
        (task, deadline) = (-1, 0);
        if (f.Head != f.Tail && now - _entries[f.Head].Since > bound)
        {
            task = TakeOldest(ref f);
        }
        else if (f.Deadlines != 0 && now - _nodes[f.Deadlines].Since > bound)
        {
            deadline = _nodes[f.Deadlines].Deadline;
            task = TakeEarliest(ref f);
        }

        emptied = f.Head == f.Tail && f.Deadlines == 0;
        return task >= 0;
    }

    private static bool IsFifosTurn(in Flow f) => f.Passed >= Scheduler.MostDueInARow && f.Head != f.Tail;

    [MethodImpl(MethodImplOptions.NoInlining)]
    private int TakeBesideDeadlines(ref Flow f, out bool emptied)
    {
        int task;
        if (IsFifosTurn(f))
        {
            f.Passed = 0;
            task = TakeOldest(ref f);
        }
        else
        {
            f.Passed = f.Head == f.Tail ? 0 : f.Passed + 1;
            task = TakeEarliest(ref f);
        }

        emptied = f.Head == f.Tail && f.Deadlines == 0;
        return task;
    }

    private int TakeEarliest(ref Flow f)
    {
        var root = f.Deadlines;
        ref var node = ref _nodes[root];
        var task = node.Task;
        f.Deadlines = Merge(node.Left, node.Right);
        f.DeadlineCount--;
        node.Left = _freeNode;
        _freeNode = root;
        return task;
    }

    private int TakeNode()
    {
        var node = _freeNode;
        if (node != 0)
        {
            _freeNode = _nodes[node].Left;
            return node;
        }

        node = _nodeCount++;
        if (node == _nodes.Length)
        {
            Array.Resize(ref _nodes, Math.Max(64, node * 2));
        }

        return node;
    }

    /// <summary>One heap of two: down both right spines by deadline, and what was left becomes right on the way.</summary>
    private int Merge(int a, int b)
    {
        var nodes = _nodes;
        var root = 0;
        ref var link = ref root;
        while (a != 0 && b != 0)
        {
            if (IsBefore(nodes[b], nodes[a]))
            {
                (a, b) = (b, a);
            }

            link = a;
            ref var first = ref nodes[a];
            a = first.Right;
            first.Right = first.Left;
            link = ref first.Left;
        }

        link = a != 0 ? a : b;
        return root;
    }

    private static bool IsBefore(in Node a, in Node b) =>
        a.Deadline < b.Deadline || (a.Deadline == b.Deadline && (int)(a.Order - b.Order) < 0);
}
