using System.Collections.Concurrent;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Core.Scheduling;

namespace Wayang.Fast.Core.Tests.Lifecycle;

/// <summary>
/// The daemon's thread model at full speed with a tiny table, so that every slot is recycled thousands of times: submitters, a
/// dispatch owner, the completion thread (which also cancels what is queued), and readers that wait, withdraw and look.
/// </summary>
public class TaskLifecycleSoakTests
{
    private const int Submitters = 2;
    private const int TasksEach = 100_000;

    private sealed class Counting(int tokens) : ITaskObserver
    {
        public readonly int[] Told = new int[tokens];
        public int WrongId;

        public void OnTaskEnded(ITaskView task, long token)
        {
            Interlocked.Increment(ref Told[token]);
            if (task.State < TaskState.Succeeded)
            {
                WrongId++;
            }
        }

        public void OnBatchEnd()
        {
        }
    }

    [Fact]
    [Trait("Promise", "TR4")]
    public void EveryTaskEndsOnceUnderRaces()
    {
        const int Total = Submitters * TasksEach;
        var table = new TaskTable(new TaskTableOptions(256, 1), TimeProvider.System);
        var lifecycle = new TaskLifecycle(table, new RetentionOptions(16, TimeSpan.FromMinutes(1), 100_000), TimeProvider.System);
        var inbox = new Inbox(256);
        var observer = new Counting(Total);
        var waiterObserver = new Counting(Total);
        var done = new ConcurrentQueue<TaskId>();
        var cancels = new ConcurrentQueue<TaskId>();
        var ids = new TaskId[Total];
        var published = new int[Submitters];
        var ended = 0;
        var expectedWaits = 0L;
        var threads = new List<Thread>();
        for (var s = 0; s < Submitters; s++)
        {
            var me = s;
            threads.Add(new Thread(() =>
            {
                for (var i = 0; i < TasksEach; i++)
                {
                    TaskRecord? record;
                    while (!table.TryRent(out record))
                    {
                        Thread.Yield();
                    }

                    record.Tenant = 1;
                    if (i % 5 == 0)
                    {
                        record.Input.Set(new byte[100]);
                    }

                    var token = (me * TasksEach) + i;
                    var slot = record.Slot;
                    ids[token] = lifecycle.Admit(record, observer, token);
                    inbox.Push(slot, pool: 0, level: 0, tenant: 1);
                    Volatile.Write(ref published[me], i + 1);
                    if (i % 3 == 0)
                    {
                        cancels.Enqueue(ids[token]);
                    }
                }
            }));
        }

        threads.Add(new Thread(() =>
        {
            Span<InboxItem> batch = stackalloc InboxItem[32];
            for (var consumed = 0; consumed < Total;)
            {
                var count = inbox.Drain(batch);
                for (var i = 0; i < count; i++)
                {
                    var record = table[batch[i].Task];
                    if (lifecycle.TryStart(record))
                    {
                        var id = record.Id;
                        lifecycle.Run(record);
                        done.Enqueue(id); // as a worker's answer carries its ticket: the slot may be another task's by then
                    }
                }

                consumed += count;
                if (count == 0)
                {
                    Thread.Yield();
                }
            }
        }));
        threads.Add(new Thread(() =>
        {
            while (ended < Total)
            {
                var worked = false;
                if (cancels.TryDequeue(out var id))
                {
                    worked = true;
                    // The completion thread is the only one that evicts, so what it finds stays until it ends it.
                    if (table.Find(id) is { } queued
                        && lifecycle.TryEndQueued(queued, TaskState.Cancelled, new TaskCause(CauseType.Cancelled)))
                    {
                        Volatile.Write(ref ended, ended + 1);
                    }
                }

                if (done.TryDequeue(out var finished))
                {
                    worked = true;
                    if (table.Find(finished) is { } record && lifecycle.End(record, TaskState.Succeeded, new TaskCause(CauseType.Exit)))
                    {
                        Volatile.Write(ref ended, ended + 1);
                    }
                }

                if (!worked)
                {
                    Thread.Yield();
                }
            }
        }));
        threads.Add(new Thread(() =>
        {
            var random = new Random(1);
            var buffer = new byte[16];
            TargetNames names = static (CallTarget? _, ushort _, out string image, out string name) => image = name = "";
            while (Volatile.Read(ref ended) < Total)
            {
                var me = random.Next(Submitters);
                var count = Volatile.Read(ref published[me]);
                if (count == 0)
                {
                    continue;
                }

                var token = (me * TasksEach) + count - 1;
                var id = ids[token];
                if (lifecycle.AddWaiter(id, waiterObserver, token, out var record))
                {
                    expectedWaits += random.Next(2) == 0 && lifecycle.RemoveWaiter(id, waiterObserver, token) ? 0 : 1;
                }
                else if (record is not null)
                {
                    Assert.Equal(id, record.Id);
                    lifecycle.Unpin(record);
                }

                Assert.True(lifecycle.Snapshot(id, 1, names) is not { } snapshot || snapshot.Id == id);
                lifecycle.ReadOutput(id, 1, OutputStream.Output, 0, buffer, out _);
            }
        }));
        threads.ForEach(static t => t.Start());
        threads.ForEach(static t => t.Join());
        Assert.All(observer.Told, static told => Assert.Equal(1, told));
        Assert.Equal(0, observer.WrongId);
        Assert.Equal(expectedWaits, waiterObserver.Told.Sum(static t => (long)t));
        Assert.Equal(Total, lifecycle.Counters.Total);
    }
}
