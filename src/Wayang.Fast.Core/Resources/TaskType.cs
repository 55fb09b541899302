namespace Wayang.Fast.Core.Resources;

/// <summary>
/// What makes tasks alike: the same function of the same image, or the same program under the same profile, of one tenant.
/// </summary>
/// <param name="Tenant">Whose tasks they are.</param>
/// <param name="Image">Name or hash of a call's image; the profile of a command.</param>
/// <param name="Function">Function of a call; file name of a command's program.</param>
public readonly record struct TaskTypeKey(int Tenant, string Image, string Function);

/// <summary>
/// What was learned of one type of task. Written by the completion thread, read by anybody: readers see some recent state.
/// </summary>
public sealed class TaskType(TaskTypeKey key)
{
    private long _memoryFloor;
    private int _outOfMemory;

    public TaskTypeKey Key { get; } = key;

    /// <summary>Microseconds from running to the end.</summary>
    public QuantileSketch Run { get; } = new();

    /// <summary>Peak bytes, of tasks that had a process of their own.</summary>
    public QuantileSketch Memory { get; } = new();

    /// <summary>Microseconds of processor time, of tasks that had a process of their own.</summary>
    public QuantileSketch Cpu { get; } = new();

    /// <summary>Tasks that ended for want of memory.</summary>
    public int OutOfMemory => Volatile.Read(ref _outOfMemory);

    /// <summary>No reservation goes below this: half as much again as what the last one that ran out had.</summary>
    public long MemoryFloor => Volatile.Read(ref _memoryFloor);

    /// <summary>Of an end that says something of the type: not of tasks that were cancelled or lost.</summary>
    /// <param name="runMicroseconds">Running to the end.</param>
    /// <param name="peakBytes">0: not measured.</param>
    /// <param name="cpuMicroseconds">0: not measured.</param>
    public void Learn(long runMicroseconds, ulong peakBytes, ulong cpuMicroseconds)
    {
        Run.Record(runMicroseconds);
        if (peakBytes > 0)
        {
            Memory.Record((long)Math.Min(peakBytes, long.MaxValue));
            Cpu.Record((long)Math.Min(cpuMicroseconds, long.MaxValue));
        }
    }

    /// <summary>One ended for want of memory, having had so much: the next gets more.</summary>
    public void LearnOutOfMemory(long hadBytes)
    {
        Volatile.Write(ref _outOfMemory, _outOfMemory + 1);
        var floor = hadBytes + (hadBytes / 2);
        if (floor > _memoryFloor)
        {
            Volatile.Write(ref _memoryFloor, floor);
        }
    }

    internal void Restore(long memoryFloor, int outOfMemory)
    {
        _memoryFloor = memoryFloor;
        _outOfMemory = outOfMemory;
    }
}
