using System.Diagnostics;
using Wayang.Fast.Core.Scheduling;

namespace Wayang.Fast.Perf.Scheduling;

/// <summary>
/// The node's scheduler against a lock around a PriorityQueue: one thread submits, one dispatches, a million tasks wait all the
/// time. Both sides get the same tasks in the same order; value and limit alternate and are medians.
/// <para>A pair = the submitter pushes a slot with its pool, level and tenant into the inbox; the dispatcher drains, enqueues,
/// and dequeues one task. With the lock, the submitter enqueues the slot with its level. Neither looks at a record of the task
/// table, and slots are shuffled for both.</para>
/// </summary>
public static class SchedulerSuite
{
    private const int Waiting = 1_000_000;
    private const int Pools = 4;
    private const int BatchSize = 256;

    /// <param name="quick">Fewer and shorter rounds (about 10 s).</param>
    /// <param name="pin">Pins the calling thread to a CPU.</param>
    public static IReadOnlyList<(string Name, double ValueNs, double LimitNs)> Run(bool quick, Action<int> pin)
    {
        ArgumentNullException.ThrowIfNull(pin);
        var rounds = quick ? 5 : 11;
        var pairs = quick ? 1_000_000 : 3_000_000;
        var work = new Work(Waiting + pairs, pairs);
        var oneTenant = new double[rounds];
        var fourTenants = new double[rounds];
        var limits = new double[rounds];
        for (var round = -1; round < rounds; round++) // the first warms up
        {
            var one = MeasureScheduler(work, tenants: 1, pin);
            var limit = MeasureLocked(work, pin);
            var four = MeasureScheduler(work, tenants: 4, pin);
            if (round >= 0)
            {
                (oneTenant[round], limits[round], fourTenants[round]) = (one, limit, four);
            }
        }

        return
        [
            ("scheduler.pair", Median(oneTenant), Median(limits)),
            ("scheduler.pair.four_tenants", Median(fourTenants), Median(limits)),
        ];
    }

    /// <summary>Which slot comes when, at which level: the same for both sides.</summary>
    private sealed class Work
    {
        public Work(int tasks, int pairs)
        {
            Pairs = pairs;
            Slots = new int[tasks];
            LevelsOf = new byte[tasks];
            var random = new Random(4711);
            for (var i = 0; i < tasks; i++)
            {
                Slots[i] = i;
                LevelsOf[i] = (byte)random.Next(Core.Scheduling.Scheduler.Levels);
            }

            random.Shuffle(Slots);
        }

        public int Pairs { get; }
        public int[] Slots { get; }
        public byte[] LevelsOf { get; }
    }

    private static double MeasureScheduler(Work work, int tenants, Action<int> pin)
    {
        var inbox = new Inbox(work.Slots.Length);
        var scheduler = new Core.Scheduling.Scheduler(new SchedulerOptions(work.Slots.Length), TimeProvider.System, 1);
        for (var pool = 0; pool < Pools; pool++)
        {
            scheduler.AddSlots(scheduler.AddPool(), int.MaxValue / 2);
        }

        for (var i = 0; i < Waiting; i++)
        {
            Submit(work, tenants, inbox, i);
        }

        Span<InboxItem> first = new InboxItem[BatchSize];
        for (int count; (count = Accept(inbox, scheduler, first)) > 0;)
        {
        }

        return Race(
            pin,
            work.Pairs,
            () =>
            {
                for (var i = Waiting; i < work.Slots.Length; i++)
                {
                    Submit(work, tenants, inbox, i);
                }
            },
            () =>
            {
                Span<InboxItem> batch = stackalloc InboxItem[BatchSize];
                for (var done = 0; done < work.Pairs;)
                {
                    var count = Accept(inbox, scheduler, batch);
                    if (count == 0)
                    {
                        Thread.SpinWait(4);
                    }

                    for (var i = 0; i < count; i++)
                    {
                        if (!scheduler.TryDequeue(out _))
                        {
                            throw new InvalidOperationException("the scheduler lost a task");
                        }
                    }

                    done += count;
                }
            });
    }

    // Tenants: a power of two, because a division would cost as much as the push.
    private static void Submit(Work work, int tenants, Inbox inbox, int i) =>
        inbox.Push(work.Slots[i], i % Pools, work.LevelsOf[i], (i >> 2) & (tenants - 1));

    private static int Accept(Inbox inbox, Core.Scheduling.Scheduler scheduler, Span<InboxItem> batch)
    {
        var count = inbox.Drain(batch);
        foreach (ref readonly var item in batch[..count])
        {
            scheduler.Enqueue(item.Task, item.Pool, item.Level, item.Tenant);
        }

        return count;
    }

    private static double MeasureLocked(Work work, Action<int> pin)
    {
        var gate = new Lock();
        var queue = new PriorityQueue<int, int>(work.Slots.Length);
        for (var i = 0; i < Waiting; i++)
        {
            queue.Enqueue(work.Slots[i], -work.LevelsOf[i]);
        }

        // A million stay queued, as on the other side: the consumer takes only what has been added. Told a batch at a time, so
        // that telling costs nothing.
        var added = 0;
        return Race(
            pin,
            work.Pairs,
            () =>
            {
                for (var i = Waiting; i < work.Slots.Length; i++)
                {
                    lock (gate)
                    {
                        queue.Enqueue(work.Slots[i], -work.LevelsOf[i]);
                    }

                    if ((i + 1 - Waiting) % BatchSize == 0 || i + 1 == work.Slots.Length)
                    {
                        Volatile.Write(ref added, i + 1 - Waiting);
                    }
                }
            },
            () =>
            {
                for (var done = 0; done < work.Pairs;)
                {
                    if (Volatile.Read(ref added) == done)
                    {
                        Thread.SpinWait(4);
                        continue;
                    }

                    lock (gate)
                    {
                        queue.Dequeue();
                    }

                    done++;
                }
            });
    }

    /// <summary>Runs both on threads of their own and returns nanoseconds per pair, from the common start to the later end.</summary>
    private static double Race(Action<int> pin, int pairs, Action produce, Action consume)
    {
        GC.Collect();
        using var start = new Barrier(2);
        var began = 0L;
        var producerEnd = 0L;
        var consumerEnd = 0L;
        var producer = new Thread(() =>
        {
            pin(0);
            start.SignalAndWait();
            produce();
            producerEnd = Stopwatch.GetTimestamp();
        });
        var consumer = new Thread(() =>
        {
            pin(1);
            start.SignalAndWait();
            began = Stopwatch.GetTimestamp();
            consume();
            consumerEnd = Stopwatch.GetTimestamp();
        });
        producer.Start();
        consumer.Start();
        producer.Join();
        consumer.Join();
        return Stopwatch.GetElapsedTime(began, Math.Max(producerEnd, consumerEnd)).TotalNanoseconds / pairs;
    }

    private static double Median(double[] values)
    {
        Array.Sort(values);
        return values[values.Length / 2];
    }
}
