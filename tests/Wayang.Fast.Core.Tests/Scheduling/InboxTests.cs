using Wayang.Fast.Core.Scheduling;

namespace Wayang.Fast.Core.Tests.Scheduling;

public class InboxTests
{
    [Fact]
    [Trait("Promise", "PS1")]
    public void SlotsComeOutInOrderOverManyLaps()
    {
        var inbox = new Inbox(3);
        Span<InboxItem> batch = stackalloc InboxItem[2];
        for (var lap = 0; lap < 100; lap++)
        {
            Assert.True(inbox.IsEmpty);
            inbox.Push(2, lap, 63, 7);
            inbox.Push(0, 5, (byte)(lap % 64), lap);
            inbox.Push(1, 0, 0, 0);
            Assert.False(inbox.IsEmpty);
            Assert.Equal(2, inbox.Drain(batch));
            Assert.Equal([new InboxItem(2, lap, 63, 7), new InboxItem(0, 5, (byte)(lap % 64), lap)], batch.ToArray());
            Assert.Equal(1, inbox.Drain(batch));
            Assert.Equal(new InboxItem(1, 0, 0, 0), batch[0]);
            Assert.Equal(0, inbox.Drain(batch));
        }
    }

    [Fact]
    public void AnyPoolAndTenantComesOutAsItWentIn()
    {
        int[] numbers = [0, 1, 16_382, 16_383, 16_384, 32_767, 32_768, 1 << 20, int.MaxValue, -1, int.MinValue];
        var inbox = new Inbox(2);
        Span<InboxItem> batch = stackalloc InboxItem[2];
        foreach (var pool in numbers)
        {
            foreach (var tenant in numbers)
            {
                inbox.Push(1, pool, 63, tenant);
                inbox.Push(0, 3, 0, 4);
                Assert.Equal(2, inbox.Drain(batch));
                Assert.Equal([new InboxItem(1, pool, 63, tenant), new InboxItem(0, 3, 0, 4)], batch.ToArray());
                Assert.True(inbox.IsEmpty);
            }
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => inbox.Push(2, 0, 0, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => inbox.Push(0, 0, 64, 0));
    }

    /// <summary>A producer that is interrupted between claim and store while the others go round and round.</summary>
    [Theory]
    [InlineData(3, 1)]
    [InlineData(4, 3)]
    [InlineData(16, 5)]
    public void WhoIsInterruptedForLapsLosesNothingAndDoublesNothing(int slots, int batchSize)
    {
        var inbox = new Inbox(slots);
        var batch = new InboxItem[batchSize];
        var (pushed, taken) = (0, new List<int>());
        var (waiting, interrupted) = (new HashSet<int>(), new HashSet<int>());
        void Take()
        {
            for (int count; (count = inbox.Drain(batch)) > 0;)
            {
                foreach (var item in batch.AsSpan(0, count))
                {
                    Assert.True(waiting.Remove(item.Task), $"slot {item.Task} came out, and is not in");
                    taken.Add(item.Tenant);
                }
            }
        }

        for (var lap = 0; lap < 3; lap++)
        {
            var stalled = inbox.Claim();
            for (var i = 0; i < 10 * slots; i++)
            {
                var slot = i % (slots - 1);
                if (waiting.Add(slot)) // its producer has it again
                {
                    inbox.Push(slot, 0, 0, pushed++);
                }

                Take();
            }

            Assert.True(waiting.Add(slots - 1));
            interrupted.Add(pushed);
            inbox.Fill(stalled, (long)(slots - 1) | ((long)pushed++ << 48));
            Take();
            Assert.Empty(waiting);
            Assert.Equal(pushed, taken.Count);

            // Those that were not interrupted came out in their order.
            var others = taken.Where(t => !interrupted.Contains(t)).ToList();
            Assert.Equal(others.Order(), others);
        }
    }

    [Fact]
    public void TheLargestSlotKeepsItsBits()
    {
        const int Most = 1 << 20;
        var inbox = new Inbox(Most);
        inbox.Push(Most - 1, 16_382, 63, 32_767);
        Span<InboxItem> batch = stackalloc InboxItem[1];
        Assert.Equal(1, inbox.Drain(batch));
        Assert.Equal(new InboxItem(Most - 1, 16_382, 63, 32_767), batch[0]);
    }
}

/// <summary>Several producers that are preempted anywhere (more threads than cores), slots that come back at once.</summary>
public class InboxSoakTests
{
    [Theory]
    [InlineData(2, 64, false)]
    [InlineData(6, 8, false)]
    [InlineData(4, 8, true)]
    [Trait("Promise", "PS1")]
    public void NothingIsLostDoubledOrReorderedPerProducer(int producers, int slotsEach, bool wide)
    {
        const int PushesEach = 200_000;
        var inbox = new Inbox(producers * slotsEach);
        // Each producer owns some slots; the consumer hands one back by clearing its flag, and the payload tells the order.
        var busy = new int[producers * slotsEach];
        var payload = new int[producers * slotsEach];
        var threads = Enumerable.Range(0, producers).Select(p => new Thread(() =>
        {
            for (var i = 0; i < PushesEach; i++)
            {
                var slot = (p * slotsEach) + (i % slotsEach);
                while (Volatile.Read(ref busy[slot]) != 0)
                {
                    Thread.Yield();
                }

                payload[slot] = i;
                busy[slot] = 1;
                inbox.Push(slot, wide ? (1 << 20) + p : p, (byte)(i % 64), i);
            }
        })).ToList();
        threads.ForEach(static t => t.Start());
        var next = new int[producers];
        Span<InboxItem> batch = stackalloc InboxItem[7];
        for (var taken = 0; taken < producers * PushesEach;)
        {
            var count = inbox.Drain(batch);
            for (var i = 0; i < count; i++)
            {
                var (task, pool, level, tenant) = batch[i];
                var producer = task / slotsEach;
                var order = next[producer]++;
                Assert.Equal(order, payload[task]);
                Assert.Equal((wide ? (1 << 20) + producer : producer, (byte)(order % 64), order), (pool, level, tenant));
                Volatile.Write(ref busy[task], 0);
            }

            taken += count;
            if (count == 0)
            {
                Thread.Yield();
            }
        }

        threads.ForEach(static t => t.Join());
        Assert.True(inbox.IsEmpty);
        Assert.Equal(0, inbox.Drain(batch));
    }
}
