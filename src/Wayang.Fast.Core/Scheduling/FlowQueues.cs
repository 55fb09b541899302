using System.Runtime.InteropServices;

namespace Wayang.Fast.Core.Scheduling;

/// <summary>Names a flow: pool and level in one number, and the tenant.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct FlowKey(int Place, int Tenant)
{
    public override int GetHashCode() => unchecked((Place * (int)0x9E3779B1) ^ (Tenant * (int)0x85EBCA77));
}

/// <summary>
/// Storage of the scheduler's queues: flows, and the blocks of tasks that they are made of. A block is 16 entries of 8
/// bytes: first the number of the next block, then up to 15 tasks with the millisecond in which each began to wait.
/// </summary>
internal sealed class FlowQueues(int maxTasks)
{
    private const int BlockBits = 4;
    private const int BlockSize = 1 << BlockBits;
    private const int Index0 = 1; // entry 0 of a block is its link

    private readonly Dictionary<FlowKey, int> _index = [];
    private Flow[] _flows = new Flow[64];
    private int _flowCount;
    private int _freeFlow = -1;
    private Entry[] _entries = new Entry[BlockSize * Math.Max(64, (maxTasks / (BlockSize - 1)) + 1)];
    private int _blockCount;
    private int _freeBlock = -1;

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
        public int Count;
        public int Tenant;
        public int Next; // in its ring, or the next unused flow
        public int Previous;
        public int Deficit; // what deficit round robin has left to give it; all weights are 1 so far
        public int Deadlines; // root of its heap of tasks with a deadline; none yet
    }

    public int TenantOf(int flow) => _flows[flow].Tenant;

    public int NextOf(int flow) => _flows[flow].Next;

    public uint HeadSince(int flow)
    {
        ref var f = ref _flows[flow];
        return _entries[f.Head].Since;
    }

    public bool TryFind(FlowKey key, out int flow) => _index.TryGetValue(key, out flow);

    public void Index(FlowKey key, int flow) => _index.Add(key, flow);

    public void Unindex(FlowKey key) => _index.Remove(key);

    /// <summary>A flow of its own ring, empty.</summary>
    public int Open(int tenant)
    {
        var flow = _freeFlow;
        if (flow >= 0)
        {
            _freeFlow = _flows[flow].Next;
        }
        else
        {
            flow = _flowCount++;
            if (flow == _flows.Length)
            {
                Array.Resize(ref _flows, flow * 2);
            }
        }

        var start = TakeBlock() + Index0;
        _flows[flow] = new Flow { Head = start, Tail = start, Tenant = tenant, Next = flow, Previous = flow };
        return flow;
    }

    /// <summary>Forgets an empty flow that left its ring.</summary>
    public void Close(int flow)
    {
        ref var f = ref _flows[flow];
        GiveBlock(f.Head & ~(BlockSize - 1));
        f.Next = _freeFlow;
        _freeFlow = flow;
    }

    /// <summary>Puts a flow at the end of the ring whose current one is <paramref name="current"/>.</summary>
    public void InsertBefore(int current, int flow)
    {
        var last = _flows[current].Previous;
        _flows[flow].Next = current;
        _flows[flow].Previous = last;
        _flows[last].Next = flow;
        _flows[current].Previous = flow;
    }

    public void Remove(int flow)
    {
        ref var f = ref _flows[flow];
        _flows[f.Previous].Next = f.Next;
        _flows[f.Next].Previous = f.Previous;
    }

    public void Append(int flow, int task, uint since)
    {
        ref var f = ref _flows[flow];
        var tail = f.Tail;
        ref var entry = ref _entries[tail];
        entry.Task = task;
        entry.Since = since;
        f.Count++;
        if (((tail + 1) & (BlockSize - 1)) != 0)
        {
            f.Tail = tail + 1;
            return;
        }

        var block = TakeBlock();
        _entries[tail & ~(BlockSize - 1)].Task = block;
        f.Tail = block + Index0;
    }

    public int TakeHead(int flow, out bool emptied)
    {
        ref var f = ref _flows[flow];
        var head = f.Head;
        var task = _entries[head].Task;
        emptied = --f.Count == 0;
        if (((head + 1) & (BlockSize - 1)) != 0)
        {
            f.Head = head + 1;
            return task;
        }

        var block = head & ~(BlockSize - 1);
        f.Head = _entries[block].Task + Index0;
        GiveBlock(block);
        return task;
    }

    private int TakeBlock()
    {
        var block = _freeBlock;
        if (block >= 0)
        {
            _freeBlock = _entries[block].Task;
            return block;
        }

        block = _blockCount++ << BlockBits;
        if (block == _entries.Length)
        {
            // Bounded by a block per waiting task, when all are of different flows.
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
