using Wayang.Fast.Execution.Commands;
using Wayang.Fast.Execution.Spawner;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Supervision;

/// <summary>
/// Asks the spawner, once a tick, what running workers and commands use, and writes it where it is read: the figures of the last
/// answer, never more than a few ticks old. An answer holds at most <see cref="ProtocolLayout.UsageMost"/> of them; with more the
/// rest comes at the next ticks. Supervisor only; the sums may be read by any thread.
/// </summary>
internal sealed class UsageSampler(SpawnerLink link, WorkerTable workers, CommandRunner commands)
{
    private uint _next;
    private long _commandsMemory;

    /// <summary>Memory of all running commands as of the last answers.</summary>
    public long CommandsMemoryBytes => Volatile.Read(ref _commandsMemory);

    public void Tick()
    {
        if (link.IsReady)
        {
            link.SendUsage(_next);
        }
    }

    /// <summary>False: malformed.</summary>
    public bool OnAnswer(ReadOnlySpan<byte> body)
    {
        if (!MessageReader.TryReadUsageHeader(body, out _next, out var count))
        {
            return false;
        }

        for (var i = 0; i < count; i++)
        {
            var (id, memory, cpu) = MessageReader.ReadUsage(body, i);
            if (workers.Find(id) is { } worker)
            {
                (worker.MemoryBytes, worker.CpuMicroseconds) = (memory, cpu);
            }
            else if (commands.TryFind(id, out var run))
            {
                run!.MemoryBytes = memory;

                // So far; the end brings the exact figures. The record is this command's until it is out of the runner's table.
                run.Record.PeakMemoryBytes = Math.Max(run.Record.PeakMemoryBytes, (ulong)memory);
                run.Record.CpuMicroseconds = (ulong)cpu;
            }
        }

        Volatile.Write(ref _commandsMemory, commands.All.Sum(static c => c.MemoryBytes));
        return true;
    }
}
