using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Admission;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Core.Scheduling;

namespace Wayang.Fast.Core.Tests;

/// <summary>The whole way of a small task through Core, thousands of times, without one managed byte.</summary>
public class AllocationTests
{
    private sealed class Silent : ITaskObserver
    {
        public int Ends { get; private set; }

        public void OnTaskEnded(ITaskView task, long token) => Ends += task.Output.Length > 0 ? 1 : 0;

        public void OnBatchEnd()
        {
        }
    }

    [Fact]
    [Trait("Promise", "PS1")]
    public void SteadyStateAllocatesNothing()
    {
        var table = new TaskTable(new TaskTableOptions(1000, 1), TimeProvider.System);
        var lifecycle = new TaskLifecycle(table, new RetentionOptions(100, TimeSpan.FromMinutes(1), 1 << 20), TimeProvider.System);
        var scheduler = new Scheduler(new SchedulerOptions(1000), TimeProvider.System, 1);
        var inbox = new Inbox(1000);
        var gate = new AdmissionGate(AdmissionOptions.Default);
        var histogram = new LatencyHistogram();
        var observers = new[] { new Silent(), new Silent(), new Silent() };
        var pool = scheduler.AddPool();
        scheduler.AddSlots(pool, 64);
        Rounds(2000);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Rounds(2000);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(4000 * 32, observers.Sum(static o => o.Ends));

        void Rounds(int rounds)
        {
            Span<InboxItem> batch = stackalloc InboxItem[64];
            for (var round = 0; round < rounds; round++)
            {
                for (var i = 0; i < 32; i++)
                {
                    Assert.Null(gate.TryAdmit(10));
                    table.TryRent(out var record);
                    record!.Pool = pool;
                    record.Level = (byte)(i % 56);
                    record.Tenant = i % 3;
                    record.Input.Set("0123456789"u8);
                    var slot = record.Slot;
                    lifecycle.Admit(record, observers[i % 3], i);
                    inbox.Push(slot, pool, (byte)(i % 56), i % 3);
                }

                var count = inbox.Drain(batch);
                foreach (ref readonly var item in batch[..count])
                {
                    scheduler.Enqueue(item.Task, item.Pool, item.Level, item.Tenant);
                }

                while (scheduler.TryDequeue(out var item))
                {
                    var record = table[item.Task];
                    lifecycle.TryStart(record);
                    lifecycle.Run(record);
                    record.Output.Set("result"u8);
                    lifecycle.End(record, TaskState.Succeeded, new TaskCause(CauseType.Exit));
                    histogram.Record(record.RunMicroseconds);
                    gate.Release(10);
                    scheduler.AddSlots(item.Pool, 1);
                }

                lifecycle.EndBatch();
            }
        }
    }

    /// <summary>Of a prepared table not even the first task of a record makes anything that the collector would have to keep.</summary>
    [Fact]
    [Trait("Promise", "PS1")]
    public void PreparedRecordsNeedNothingMore()
    {
        const int tasks = 500;
        var table = new TaskTable(new TaskTableOptions(2000, 1), TimeProvider.System);
        var lifecycle = new TaskLifecycle(table, new RetentionOptions(100, TimeSpan.FromMinutes(1), 1 << 20), TimeProvider.System);
        var observer = new Silent();
        table.Prepare(tasks + 200);
        Run(200); // the code itself, and slabs
        var before = GC.GetAllocatedBytesForCurrentThread();
        Run(tasks);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(200 + tasks, observer.Ends);

        void Run(int count)
        {
            Span<byte> large = stackalloc byte[1000];
            for (var i = 0; i < count; i++)
            {
                Assert.True(table.TryRent(out var record));
                record.Input.Set(large);
                lifecycle.Admit(record, observer, i);
                lifecycle.TryStart(record);
                lifecycle.Run(record);
                record.Output.Set(large);
                record.Stdout.AppendBounded(large, 10_000);
                record.Stderr.AppendBounded("said"u8, 10_000);
                record.SetProgress("2half"u8); // 50 %
                lifecycle.End(record, TaskState.Succeeded, new TaskCause(CauseType.Exit));
                lifecycle.EndBatch();
            }
        }
    }
}
