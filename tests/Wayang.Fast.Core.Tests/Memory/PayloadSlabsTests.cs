using Wayang.Fast.Core.Memory;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Core.Tests.Memory;

public class PayloadSlabsTests
{
    [Theory]
    [InlineData(1, 128)]
    [InlineData(128, 128)]
    [InlineData(129, 256)]
    [InlineData(200_000, 262_144)]
    [InlineData(PayloadSlabs.LargestBlock, PayloadSlabs.LargestBlock)]
    [InlineData(PayloadSlabs.LargestBlock + 1, PayloadSlabs.LargestBlock + 1)]
    public void A_block_has_the_next_size(int wanted, int block)
    {
        var slabs = new PayloadSlabs(8 << 20);
        var place = slabs.Rent(wanted);
        Assert.NotEqual(0u, place);
        Assert.Equal(block, slabs.Block(place).Length);
        slabs.Return(place);
    }

    [Fact]
    public void Blocks_do_not_overlap_and_come_back()
    {
        var slabs = new PayloadSlabs(64 << 20);
        int[] sizes = [100, 300, 5_000, 200_000, 2_000_000];
        var places = Enumerable.Range(0, 5_000).Select(i => slabs.Rent(sizes[i % (i < 100 ? 5 : 3)])).ToList();
        Assert.Equal(places.Count, places.Distinct().Count());
        for (var i = 0; i < places.Count; i++)
        {
            slabs.Block(places[i]).Fill((byte)i);
        }

        for (var i = 0; i < places.Count; i++)
        {
            Assert.Equal(-1, slabs.Block(places[i]).IndexOfAnyExcept((byte)i));
        }

        var held = slabs.Bytes;
        places.ForEach(slabs.Return);
        var again = Enumerable.Range(0, 5_000).Select(i => slabs.Rent(sizes[i % (i < 100 ? 5 : 3)])).ToList();
        Assert.Equal(held, slabs.Bytes);
        Assert.Equal(again.Count, again.Distinct().Count());
    }

    [Fact]
    public void Renting_again_allocates_nothing()
    {
        var slabs = new PayloadSlabs(8 << 20);
        Round();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
        {
            Round();
        }

        // A collection that another test causes counts what was left of this thread's 8 KiB as used; one object for each of 1,000 rounds would be 24,000.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 8 << 10);

        void Round()
        {
            Span<uint> places = stackalloc uint[64];
            for (var i = 0; i < places.Length; i++)
            {
                places[i] = slabs.Rent(50 + (i * 100));
            }

            foreach (var place in places)
            {
                slabs.Return(place);
            }
        }
    }

    [Fact]
    public void Over_the_bound_blocks_are_loose_and_what_is_unused_serves_another_size()
    {
        var slabs = new PayloadSlabs(1 << 20);
        var large = Enumerable.Range(0, 6).Select(_ => slabs.Rent(256 << 10)).ToList();
        Assert.Equal(1 << 20, slabs.Bytes);
        Assert.All(large, place => Assert.Equal(256 << 10, slabs.Block(place).Length));
        var loose = slabs.Rent(100);
        Assert.Equal(100, slabs.Block(loose).Length); // an array of its own, of that very size
        Assert.Equal(1 << 20, slabs.Bytes);

        large.ForEach(slabs.Return);
        slabs.Trim();
        Assert.Equal(0, slabs.Bytes);
        Assert.Equal(0, slabs.Block(large[0]).Length); // a late reader finds nothing, and no fault
        var small = slabs.Rent(100);
        Assert.Equal(PayloadSlabs.SmallestBlock, slabs.Block(small).Length);
        Assert.Equal(256 << 10, slabs.Bytes);
    }

    [Fact]
    public void A_slab_with_a_used_block_is_kept()
    {
        var slabs = new PayloadSlabs(4 << 20);
        var places = Enumerable.Range(0, 3000).Select(_ => slabs.Rent(100)).ToList();
        var kept = places[1500];
        slabs.Block(kept).Fill(7);
        places.Where(p => p != kept).ToList().ForEach(slabs.Return);
        slabs.Trim();
        Assert.Equal(256 << 10, slabs.Bytes);
        var again = Enumerable.Range(0, 3000).Select(_ => slabs.Rent(100)).ToList();
        Assert.DoesNotContain(kept, again);
        Assert.Equal(again.Count, again.Distinct().Count());
        Assert.Equal(-1, slabs.Block(kept).IndexOfAnyExcept((byte)7));
    }

    [Fact]
    public void Prepared_slabs_serve_every_size_and_come_back_for_the_next_one()
    {
        var slabs = new PayloadSlabs(4 << 20);
        slabs.Prepare(1 << 20);
        Assert.Equal((1 << 20, 0L), (slabs.BytesMade, slabs.Bytes));
        uint[] small = [.. Enumerable.Range(0, 4).Select(_ => slabs.Rent(256 << 10))];
        Assert.Equal((1 << 20, 1L << 20), (slabs.BytesMade, slabs.Bytes));
        Array.ForEach(small, slabs.Return);
        slabs.Trim();
        Assert.Equal(0, slabs.Bytes);

        var other = slabs.Rent(1_000);
        Assert.Equal((1 << 20, 256L << 10), (slabs.BytesMade, slabs.Bytes));
        slabs.Return(other);
    }

    [Fact]
    public void No_more_is_prepared_than_the_bound_allows()
    {
        var slabs = new PayloadSlabs(2 << 20);
        slabs.Prepare(1 << 30);
        Assert.Equal(2 << 20, slabs.BytesMade);
    }

    [Fact]
    public void Pages_are_made_ahead_of_what_is_taken_each_once_and_never_beyond_the_end()
    {
        const int Slabs = 3 * SlabReserve.Ahead;
        var pages = new TouchedPages(Slabs);
        var slabs = new PayloadSlabs(Slabs * (256 << 10));
        slabs.Prepare(Slabs * (256 << 10), pages);
        Assert.Equal(Slabs * (256 << 10), pages.Large);
        pages.WaitFor(SlabReserve.Ahead);

        // Whoever takes the first has what follows the last one made.
        var place = slabs.Rent(256 << 10);
        Assert.Equal(TouchedPages.Touched, slabs.Block(place)[0]);
        for (var taken = 2; taken <= Slabs; taken++)
        {
            slabs.Rent(256 << 10);
            pages.WaitFor(Math.Min(Slabs, taken + SlabReserve.Ahead - 7));
        }

        Assert.Equal(0, pages.Faults);
        slabs.Rent(256 << 10); // an array of its own
        Assert.Equal(Slabs, pages.Count);
    }

    [Fact]
    public void A_large_array_of_its_own_has_large_pages_a_small_one_has_not()
    {
        var pages = new TouchedPages(4);
        var slabs = new PayloadSlabs(1 << 20);
        slabs.Prepare(1 << 20, pages);
        slabs.Rent((2 << 20) - 1);
        Assert.Equal(1 << 20, pages.Large);
        slabs.Rent(2 << 20);
        Assert.Equal(2 << 20, pages.Large);
    }

    private sealed class TouchedPages(int slabs) : IMemoryPages
    {
        public const byte Touched = 0xA5;

        [ThreadStatic]
        private static bool s_gaveWay;

        private readonly HashSet<nint> _touched = [];
        private nint _begin;

        public long Large { get; private set; }

        public int Faults { get; private set; }

        public int Count
        {
            get
            {
                lock (_touched)
                {
                    return _touched.Count;
                }
            }
        }

        public void PreferLarge(nint address, long bytes) => (_begin, Large) = (address, bytes);

        public void GiveWay() => s_gaveWay = true;

        public void Touch(nint address, long bytes)
        {
            Assert.True(s_gaveWay); // else it takes the processor from who has something to do
            lock (_touched)
            {
                for (var at = address; at < address + bytes; at += 256 << 10)
                {
                    System.Runtime.InteropServices.Marshal.WriteByte(at, Touched); // what the kernel does not do: so it can be seen
                    Faults += _touched.Add(at) && at >= _begin && at < _begin + ((nint)slabs * (256 << 10)) ? 0 : 1;
                }

                Monitor.PulseAll(_touched);
            }
        }

        public void WaitFor(int count)
        {
            lock (_touched)
            {
                while (_touched.Count < count)
                {
                    Assert.True(Monitor.Wait(_touched, TimeSpan.FromSeconds(30)), $"{_touched.Count} slabs were touched, not {count}");
                }
            }
        }
    }

    [Fact]
    public void ALargeArrayThatCameBackIsRentedAgain()
    {
        var slabs = new PayloadSlabs(1 << 20);
        var place = slabs.Rent(3 << 20);
        ref var first = ref slabs.Block(place)[0]; // holds the array: the collector takes none of which somebody knows
        slabs.Return(place);

        // Not for what needs more, or less than half of it.
        Assert.False(System.Runtime.CompilerServices.Unsafe.AreSame(ref first, ref slabs.Block(slabs.Rent(4 << 20))[0]));
        Assert.False(System.Runtime.CompilerServices.Unsafe.AreSame(ref first, ref slabs.Block(slabs.Rent(1_200_000))[0]));

        var again = slabs.Rent(2 << 20);
        Assert.True(System.Runtime.CompilerServices.Unsafe.AreSame(ref first, ref slabs.Block(again)[0]));
        Assert.False(System.Runtime.CompilerServices.Unsafe.AreSame(ref first, ref slabs.Block(slabs.Rent(2 << 20))[0]));
    }
}
