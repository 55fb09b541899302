using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Wayang.Fast.Core.Scheduling;

/// <summary>
/// Storage of the scheduler's queues: flows, and the blocks of tasks that they are made of. A block is 16 entries of 8
/// bytes: first the number of the next block, then up to 15 tasks with the millisecond in which each began to wait.
/// <para>A flow that ran empty is kept with its block, because it is likely needed again at once: as the only one of its ring
/// (then it stays there), or idle, at most <see cref="MaxIdle"/> of them, the longest idle goes first.</para>
/// <para>Bounds: a block per 15 waiting tasks, and one more per flow that has tasks, is idle, or rests in its ring.</para>
/// </summary>
internal sealed partial class FlowQueues
{
    public const int None = 0;
    private const int MaxIdle = 1024;
    private const int BlockBits = 4;
    private const int BlockSize = 1 << BlockBits;
    private const int BlockMask = BlockSize - 1;
    private const int Index0 = 1; // entry 0 of a block is its link
    private const int NoBlock = -1;

    private Flow[] _flows = new Flow[64]; // flow 0 is no flow: the end of every chain, and the anchor of the idle ones
    private int[] _chains = new int[64];
    private int _flowCount = 1;
    private int _freeFlow;
    private int _idle;
    private Entry[] _entries;
    private int _blockCount;
    private int _freeBlock = NoBlock;

    public FlowQueues(int maxTasks) => _entries = new Entry[BlockSize * Math.Max(64, (maxTasks / (BlockSize - 1)) + 1)];

    [StructLayout(LayoutKind.Sequential)]
    private struct Entry
    {
        public int Task; // in entry 0: the next block
        public uint Since;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Flow
    {
        public int Head; // position in _entries of the oldest task
        public int Tail; // position after the youngest
        public int Tenant;
        public int Place; // pool and level
        public int Next; // in its ring, among the idle, or the next unused flow
        public int Previous;
        public int Chain; // next flow of the same hash
        public int Deadlines; // root of its heap of tasks with a deadline, or 0
        public int DeadlineCount;
        public int Passed; // tasks of the heap that went before the FIFO's head since it went before one of them
        public bool Idle;
    }

    public int TenantOf(int flow) => _flows[flow].Tenant;

    public int NextOf(int flow) => _flows[flow].Next;

    /// <summary>The task that <see cref="TakeHead"/> takes next.</summary>
    public int PeekHead(int flow)
    {
        ref var f = ref _flows[flow];
        return f.Deadlines == 0 || IsFifosTurn(f) ? _entries[f.Head].Task : _nodes[f.Deadlines].Task;
    }

    /// <summary>Tasks in a flow, counted up to <paramref name="most"/>.</summary>
    public int Count(int flow, int most)
    {
        var count = Math.Min(_flows[flow].DeadlineCount, most);
        for (var at = _flows[flow].Head; at != _flows[flow].Tail && count < most; count++)
        {
            at = ((at + 1) & BlockMask) == 0 ? _entries[at + 1 - BlockSize].Task + Index0 : at + 1;
        }

        return count;
    }

    public bool IsIdle(int flow) => _flows[flow].Idle;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Append(int flow, int task, uint since)
    {
        ref var f = ref _flows[flow];
        var tail = f.Tail;
        ref var entry = ref _entries[tail];
        entry.Task = task;
        entry.Since = since;
        f.Tail = ++tail;
        if ((tail & BlockMask) == 0)
        {
            ContinueTail(ref f, tail - BlockSize);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int TakeHead(int flow, out bool emptied)
    {
        ref var f = ref _flows[flow];
        if (f.Deadlines != 0)
        {
            return TakeBesideDeadlines(ref f, out emptied);
        }

        var task = TakeOldest(ref f);
        emptied = f.Head == f.Tail;
        return task;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int TakeOldest(ref Flow f)
    {
        var head = f.Head;
        var task = _entries[head].Task;
        f.Head = ++head;
        if ((head & BlockMask) == 0)
        {
            ContinueHead(ref f, head - BlockSize);
        }

        return task;
    }

    /// <summary>The flow of a place and tenant: in its ring, idle, or new and then idle too.</summary>
    public int Find(int place, int tenant)
    {
        ref var chain = ref _chains[ChainOf(place, tenant)];
        for (var flow = chain; flow != None;)
        {
            ref var f = ref _flows[flow];
            if (f.Tenant == tenant && f.Place == place)
            {
                return flow;
            }

            flow = f.Chain;
        }

        return Open(place, tenant);
    }

    /// <summary>Makes an idle flow the only one of a ring.</summary>
    public void Wake(int flow)
    {
        Unlink(flow);
        ref var f = ref _flows[flow];
        (f.Next, f.Previous, f.Idle) = (flow, flow, false);
        _idle--;
    }

    /// <summary>Puts an idle flow at the end of the ring whose current one is <paramref name="current"/>.</summary>
    public void WakeBefore(int current, int flow)
    {
        Unlink(flow);
        _flows[flow].Idle = false;
        LinkBefore(current, flow);
        _idle--;
    }

    /// <summary>An empty flow leaves its ring.</summary>
    public void Rest(int flow)
    {
        Unlink(flow);
        _flows[flow].Idle = true;
        LinkBefore(None, flow);
        if (++_idle > MaxIdle)
        {
            Close(_flows[None].Next);
        }
    }

    /// <summary>The tail's block is full.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void ContinueTail(ref Flow f, int full)
    {
        var block = TakeBlock();
        _entries[full].Task = block;
        f.Tail = block + Index0;
    }

    /// <summary>The head's block was read to its end.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void ContinueHead(ref Flow f, int read)
    {
        var entries = _entries;
        var block = entries[read].Task;
        f.Head = block + Index0;
        GiveBlock(read);

        // Of a long queue the block after this one is in no cache. Touched here, it comes while this one is served; what
        // stands in a link that is not set yet does no harm.
        var next = entries[block].Task;
        if ((uint)next < (uint)entries.Length)
        {
            _ = Volatile.Read(ref entries[next].Task);
            _ = Volatile.Read(ref entries[next + BlockMask].Task);
        }
    }

    private int Open(int place, int tenant)
    {
        var flow = _freeFlow;
        if (flow != None)
        {
            _freeFlow = _flows[flow].Next;
        }
        else
        {
            flow = _flowCount++;
            if (flow == _flows.Length)
            {
                Grow();
            }
        }

        var start = TakeBlock() + Index0;
        ref var chain = ref _chains[ChainOf(place, tenant)];
        _flows[flow] = new Flow { Head = start, Tail = start, Place = place, Tenant = tenant, Chain = chain, Idle = true };
        chain = flow;
        LinkBefore(None, flow);
        _idle++;
        return flow;
    }

    private void Close(int flow)
    {
        Unlink(flow);
        ref var f = ref _flows[flow];
        ref var link = ref _chains[ChainOf(f.Place, f.Tenant)];
        while (link != flow)
        {
            link = ref _flows[link].Chain;
        }

        link = f.Chain;
        GiveBlock(f.Head & ~BlockMask);
        f.Next = _freeFlow;
        _freeFlow = flow;
        _idle--;
    }

    private void LinkBefore(int next, int flow)
    {
        var previous = _flows[next].Previous;
        _flows[flow].Next = next;
        _flows[flow].Previous = previous;
        _flows[previous].Next = flow;
        _flows[next].Previous = flow;
    }

    private void Unlink(int flow)
    {
        ref var f = ref _flows[flow];
        _flows[f.Previous].Next = f.Next;
        _flows[f.Next].Previous = f.Previous;
    }

    // As many chains as flows fit, a power of two.
    private int ChainOf(int place, int tenant) =>
        (int)((((uint)place * 0x9E3779B1) ^ ((uint)tenant * 0x85EBCA77)) >> 7) & (_chains.Length - 1);

    private void Grow()
    {
        Array.Resize(ref _flows, _flows.Length * 2);
        _chains = new int[_flows.Length];
        for (var flow = 1; flow < _flowCount - 1; flow++)
        {
            // No flow is unused when there is no room for another.
            ref var f = ref _flows[flow];
            ref var chain = ref _chains[ChainOf(f.Place, f.Tenant)];
            (f.Chain, chain) = (chain, flow);
        }
    }

    private int TakeBlock()
    {
        var block = _freeBlock;
        if (block != NoBlock)
        {
            _freeBlock = _entries[block].Task;
            return block;
        }

        block = _blockCount++ << BlockBits;
        if (block == _entries.Length)
        {
            Array.Resize(ref _entries, checked(block * 2));
        }

        return block;
    }

    private void GiveBlock(int block)
    {
        _entries[block].Task = _freeBlock;
        _freeBlock = block;
    }
}
