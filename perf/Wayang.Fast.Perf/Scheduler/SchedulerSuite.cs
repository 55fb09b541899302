using System.Diagnostics;
using System.Runtime.InteropServices;
using Wayang.Fast.Core.Scheduling;

namespace Wayang.Fast.Perf.Scheduling;

/// <summary>
/// The node's scheduler against a lock around a PriorityQueue: one thread submits, one dispatches, a million tasks wait all the
/// time. Both sides get the same tasks in the same order; value and limit alternate and are medians.
/// <para>A pair = the submitter writes the task's key and pushes its slot into the inbox; the dispatcher drains, reads the key
/// (slots are shuffled, so that is a cache miss, as a record of the task table is), enqueues, and dequeues one task.</para>
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

    [StructLayout(LayoutKind.Sequential)]
    private struct Key
    {
        public int Tenant;
        public short Pool;
        public byte Level;
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
        var keys = new Key[work.Slots.Length];
        var inbox = new Inbox(work.Slots.Length);
        var scheduler = new Core.Scheduling.Scheduler(new SchedulerOptions(work.Slots.Length), TimeProvider.System, 1);
        for (var pool = 0; pool < Pools; pool++)
        {
            scheduler.AddSlots(scheduler.AddPool(), int.MaxValue / 2);
        }

        for (var i = 0; i < Waiting; i++)
        {
            Submit(work, tenants, keys, inbox, i);
        }

        Span<int> first = new int[BatchSize];
        for (int count; (count = Accept(inbox, scheduler, keys, first)) > 0;)
        {
        }

        return Race(
            pin,
            work.Pairs,
            () =>
            {
                for (var i = Waiting; i < work.Slots.Length; i++)
                {
                    Submit(work, tenants, keys, inbox, i);
                }
            },
            () =>
            {
                Span<int> batch = stackalloc int[BatchSize];
                for (var done = 0; done < work.Pairs;)
                {
                    var count = Accept(inbox, scheduler, keys, batch);
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

    private static void Submit(Work work, int tenants, Key[] keys, Inbox inbox, int i)
    {
        var slot = work.Slots[i];
        keys[slot] = new Key { Pool = (short)(i % Pools), Level = work.LevelsOf[i], Tenant = (i >> 2) % tenants };
        inbox.Push(slot);
    }

    private static int Accept(Inbox inbox, Core.Scheduling.Scheduler scheduler, Key[] keys, Span<int> batch)
    {
        var count = inbox.Drain(batch);
        // Gathered first: the misses of a batch overlap.
        Span<Key> gathered = stackalloc Key[count];
        for (var i = 0; i < count; i++)
        {
            gathered[i] = keys[batch[i]];
        }

        for (var i = 0; i < count; i++)
        {
            ref readonly var key = ref gathered[i];
            scheduler.Enqueue(batch[i], key.Pool, key.Level, key.Tenant);
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
                }
            },
            () =>
            {
                for (var done = 0; done < work.Pairs; done++)
                {
                    lock (gate)
                    {
                        queue.Dequeue();
                    }
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
