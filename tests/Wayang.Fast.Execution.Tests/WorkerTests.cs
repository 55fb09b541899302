using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Admission;
using Wayang.Fast.Execution.Dispatch;
using Wayang.Fast.Execution.Images;
using Wayang.Fast.Execution.Spawner;
using Wayang.Fast.Execution.Workers;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Tests;

/// <summary>What stands between dispatch owner and completion thread: indices, tickets, places.</summary>
[Trait("Promise", "TR1")]
public sealed class WorkerTests
{
    [Fact]
    public void A_place_is_used_again_under_another_id()
    {
        var table = new WorkerTable();
        using var first = Worker(table.NewId());
        table.Add(first);
        table.Remove(first.Id);
        using var second = Worker(table.NewId());
        table.Add(second);
        Assert.Equal(first.Id & 0xFFFF, second.Id & 0xFFFF);
        Assert.Null(table.Find(first.Id));
        Assert.Same(second, table.Find(second.Id));
        Assert.Equal([second], table.All());
        Assert.Equal(1, table.Count);
    }

    [Fact]
    public void The_table_is_bounded()
    {
        var table = new WorkerTable();
        for (var i = 0; i < WorkerTable.Capacity; i++)
        {
            Assert.NotEqual(0UL, table.NewId());
        }

        Assert.Equal(0UL, table.NewId());
        table.Remove(5);
        Assert.NotEqual(0UL, table.NewId());
    }

    [Fact]
    public void A_reused_index_has_another_ticket()
    {
        using var worker = Worker(1, concurrency: 2);
        var tickets = new HashSet<uint>();
        for (var i = 0; i < 1000; i++)
        {
            worker.TakeEntry(out var ticket, out var index);
            Assert.Equal((uint)index, ticket & 0xFF);
            Assert.True(tickets.Add(ticket));
            Assert.True(worker.Release(index));
            worker.ReleasedInTurn = false;
            Assert.Equal(1, Collect(worker));
        }

        Assert.True(worker.IsIdle);
    }

    [Fact]
    public void A_worker_is_announced_once_until_it_is_collected()
    {
        using var worker = Worker(1, concurrency: 3);
        worker.TakeEntry(out _, out var a);
        worker.TakeEntry(out _, out var b);
        worker.TakeEntry(out _, out var c);
        Assert.True(worker.Release(a));
        Assert.False(worker.Release(b)); // the same turn
        Assert.True(worker.EnterReleasedQueue());
        worker.ReleasedInTurn = false;
        Assert.True(worker.Release(c));
        Assert.False(worker.EnterReleasedQueue()); // it stands there
        worker.LeaveReleasedQueue();
        Assert.Equal(3, Collect(worker));
        Assert.True(worker.EnterReleasedQueue());
    }

    /// <summary>A release that is not announced must be seen by the collection that cleared the flag: else it is lost.</summary>
    [Fact]
    public void No_release_is_lost_between_two_threads()
    {
        const int rounds = 400_000;
        using var worker = Worker(1, concurrency: 64);
        var released = new ReleasedWorkers();
        var taken = new Queue<int>();
        var handOver = new System.Collections.Concurrent.ConcurrentQueue<int>();
        var completion = new Thread(() =>
        {
            for (var done = 0; done < rounds;)
            {
                if (handOver.TryDequeue(out var index))
                {
                    done++;
                    worker.ReleasedInTurn = false;
                    if (worker.Release(index) && worker.EnterReleasedQueue())
                    {
                        released.Push(worker);
                    }
                }
            }
        });
        completion.Start();
        var issued = 0;
        var collected = 0;
        for (var alive = true; alive;)
        {
            alive = completion.IsAlive; // looked at before the last collection
            while (released.TryPop(out var announced))
            {
                announced.LeaveReleasedQueue();
                collected += Collect(announced);
            }

            for (; issued < rounds && worker.FreeCount > 0; issued++)
            {
                worker.TakeEntry(out _, out var index);
                handOver.Enqueue(index);
            }
        }

        Assert.Equal((rounds, rounds), (issued, collected));
        Assert.True(worker.IsIdle);
    }

    [Fact]
    public void A_worker_that_leaves_holds_the_slots_of_what_it_has_in_flight()
    {
        using var worker = Worker(1, concurrency: 3);
        Take(worker, 10, 24);
        var back = Take(worker, 20, 40);
        Take(worker, 30, 8);
        worker.Release(back);
        Assert.True(worker.TryCollect(out var taken));
        Assert.Equal((20L, 40), (taken.Since, (int)taken.Level));

        worker.HoldSlots();

        Assert.Equal([(10L, 24), (30L, 8)], worker.TakeHeldSlots().Select(static t => (t.Since, (int)t.Level)).Order());
        Assert.Empty(worker.TakeHeldSlots());
    }

    private static int Take(CallWorker worker, long since, byte level)
    {
        ref var entry = ref worker.TakeEntry(out _, out var index);
        entry.Since = since;
        entry.TakenLevel = level;
        return index;
    }

    private static int Collect(CallWorker worker)
    {
        var count = 0;
        while (worker.TryCollect(out _))
        {
            count++;
        }

        return count;
    }

    private static CallWorker Worker(ulong id, int concurrency = 1)
    {
        var image = new Image("hash", "compute", ImageKind.CPlugin, -1, 0);
        var pool = new WorkerPool(new PoolKey("hash", "compute", 0, WorkerReuse.Tenant), new Tenant(new TenantPolicy(0, "default")), image, 0, 1);
        return new CallWorker(id, pool, ChannelMemory.Create(new ChannelGeometry { RequestArenaBytes = 4096, CompletionArenaBytes = 4096 }), concurrency);
    }
}
