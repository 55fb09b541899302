using Wayang.Fast.Core.Scheduling;

namespace Wayang.Fast.Core.Tests.Scheduling;

public class InboxTests
{
    [Fact]
    [Trait("Promise", "PS1")]
    public void SlotsComeOutInOrderOverManyLaps()
    {
        var inbox = new Inbox(3);
        Span<int> batch = stackalloc int[2];
        for (var lap = 0; lap < 100; lap++)
        {
            Assert.True(inbox.IsEmpty);
            Assert.True(inbox.Push(2));
            Assert.False(inbox.Push(0));
            Assert.False(inbox.Push(1));
            Assert.False(inbox.IsEmpty);
            Assert.Equal(2, inbox.Drain(batch));
            Assert.Equal([2, 0], batch.ToArray());
            Assert.Equal(1, inbox.Drain(batch));
            Assert.Equal(1, batch[0]);
            Assert.Equal(0, inbox.Drain(batch));
        }
    }
}

/// <summary>Several producers that are preempted anywhere (more threads than cores), slots that come back at once.</summary>
public class InboxSoakTests
{
    [Theory]
    [InlineData(2, 64)]
    [InlineData(6, 8)]
    [Trait("Promise", "PS1")]
    public void NothingIsLostDoubledOrReorderedPerProducer(int producers, int slotsEach)
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
                inbox.Push(slot);
            }
        })).ToList();
        threads.ForEach(static t => t.Start());
        var next = new int[producers];
        Span<int> batch = stackalloc int[7];
        for (var taken = 0; taken < producers * PushesEach;)
        {
            var count = inbox.Drain(batch);
            for (var i = 0; i < count; i++)
            {
                var producer = batch[i] / slotsEach;
                Assert.Equal(next[producer]++, payload[batch[i]]);
                Volatile.Write(ref busy[batch[i]], 0);
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
