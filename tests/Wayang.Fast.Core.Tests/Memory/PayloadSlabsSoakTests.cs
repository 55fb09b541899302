using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Memory;

namespace Wayang.Fast.Core.Tests.Memory;

public class PayloadSlabsSoakTests
{
    private const int Threads = 4;
    private const int Rounds = 30_000;
    private static readonly int[] s_sizes = [100, 129, 1_000, 20_000, 300_000];

    /// <summary>Threads rent, sign, look and return, with a bound so low that blocks are loose and slabs are given back meanwhile.</summary>
    [Fact]
    public void No_block_belongs_to_two_at_once()
    {
        var slabs = new PayloadSlabs(3 << 20);
        var working = Threads;
        var faults = 0;
        var threads = Enumerable.Range(1, Threads).Select(number => new Thread(() =>
        {
            var random = new Random(number);
            var held = new List<uint>();
            for (var round = 0; round < Rounds; round++)
            {
                if (held.Count < 40 && random.Next(2) == 0)
                {
                    held.Add(slabs.Rent(s_sizes[random.Next(100) < 95 ? random.Next(3) : random.Next(5)]));
                    Sign(slabs.Block(held[^1]), number, held[^1]);
                }
                else if (held.Count > 0)
                {
                    var at = random.Next(held.Count);
                    if (!IsSigned(slabs.Block(held[at]), number, held[at]))
                    {
                        Interlocked.Increment(ref faults);
                    }

                    slabs.Return(held[at]);
                    held.RemoveAt(at);
                }
            }

            held.ForEach(slabs.Return);
            Interlocked.Decrement(ref working);
        })).ToList();
        threads.ForEach(static t => t.Start());
        while (Volatile.Read(ref working) > 0)
        {
            slabs.Trim();
        }

        threads.ForEach(static t => t.Join());
        Assert.Equal(0, faults);
        slabs.Trim();
        Assert.Equal(0, slabs.Bytes);
    }

    /// <summary>
    /// Two writers exchange blocks of the same slabs, slabs come and go; a copy that a reader's version lets pass must be its own writer's, whole.
    /// </summary>
    [Theory]
    [InlineData(700)]
    [InlineData(60_000)]
    public void A_copy_never_shows_bytes_of_another_task(int largest)
    {
        var slabs = new PayloadSlabs(1 << 20);
        StreamBuffer[] streams = [new(slabs), new(slabs)];
        var progress = new ProgressCell(slabs);
        var working = 2;
        var accepted = 0; // they go on until there was one: the reader may get no processor before
        var writers = Enumerable.Range(0, 2).Select(number => new Thread(() =>
        {
            var random = new Random(number);
            var part = new byte[largest];
            part.AsSpan().Fill((byte)(number + 1));
            for (var round = 0; round < Rounds * 700 / largest || Volatile.Read(ref accepted) == 0; round++)
            {
                for (var i = random.Next(6); i > 0; i--)
                {
                    var said = part.AsSpan(0, random.Next(part.Length));
                    streams[number].AppendBounded(said, int.MaxValue);
                }

                streams[number].Clear();
                if (number == 0)
                {
                    progress.Set([50, .. "abcdefgh"u8]);
                    progress.Clear();
                }
            }

            Interlocked.Decrement(ref working);
        }) { IsBackground = true }).ToList();
        writers.ForEach(static w => w.Start());
        var copy = new byte[largest * 6];
        while (Volatile.Read(ref working) > 0)
        {
            for (var number = 0; number < 2; number++)
            {
                if (streams[number].TryCopy(0, copy, out var count, out _, out _) && count > 0)
                {
                    accepted++;
                    Assert.Equal(-1, copy.AsSpan(0, count).IndexOfAnyExcept((byte)(number + 1)));
                }
            }

            Assert.True(progress.Read() is null or { Percent: 50, Text: "abcdefgh" });
            if (accepted % 64 == 0)
            {
                slabs.Trim();
            }
        }

        writers.ForEach(static w => w.Join());
        Assert.All(streams, static s => Assert.Equal(0, s.PooledBytes));
        slabs.Trim();
        Assert.Equal(0, slabs.Bytes);
    }

    /// <summary>What is forgotten and not written again: whoever still copies it while another's bytes come into its blocks learns of it.</summary>
    [Fact]
    public void A_copy_of_what_is_forgotten_meanwhile_is_refused()
    {
        const int Refusals = 5_000;
        const int BlockBytes = 64 << 10; // of one block: whoever copies from several finds some gone
        var slabs = new PayloadSlabs(8 << 20);
        StreamBuffer forgotten = new(slabs), other = new(slabs);
        var (mine, theirs, copy) = (new byte[BlockBytes], new byte[BlockBytes], new byte[BlockBytes]);
        mine.AsSpan().Fill(1);
        theirs.AsSpan().Fill(2);
        var over = false;
        var writer = new Thread(() =>
        {
            for (var random = new Random(1); !Volatile.Read(ref over);)
            {
                forgotten.Append(mine);
                Thread.SpinWait(random.Next(1_000)); // so that a copy is under way, at any place of it
                forgotten.Clear();
                other.Append(theirs); // into the same blocks
                other.Clear();
            }
        }) { IsBackground = true };
        writer.Start();
        for (var refused = 0; refused < Refusals;)
        {
            if (!forgotten.TryCopy(0, copy, out var count, out _, out _))
            {
                refused++;
            }
            else
            {
                Assert.Equal(-1, copy.AsSpan(0, count).IndexOfAnyExcept((byte)1));
            }
        }

        Volatile.Write(ref over, true);
        writer.Join();
    }

    private static void Sign(Span<byte> block, int number, uint place)
    {
        block.Fill((byte)number);
        BitConverter.TryWriteBytes(block, place);
    }

    private static bool IsSigned(Span<byte> block, int number, uint place) =>
        BitConverter.ToUInt32(block) == place && block[4..].IndexOfAnyExcept((byte)number) < 0;
}
