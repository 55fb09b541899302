using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Core.Tests.Ports;

public class FileContentTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(65_536)]
    [InlineData(1_000_000)]
    public void It_is_a_copy_until_its_task_ends_and_nothing_afterwards(int length)
    {
        var bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        byte[] source = [.. bytes];
        var content = new FileContent(source);
        source.AsSpan().Clear();
        var copy = new byte[length + 1];
        for (var attempt = 0; attempt < 3; attempt++)
        {
            copy.AsSpan().Clear();
            Assert.True(content.TryCopyTo(copy));
            Assert.True(bytes.AsSpan().SequenceEqual(copy.AsSpan(0, length)));
        }

        Assert.True(bytes.AsSpan().SequenceEqual(content.Span));

        var terms = new TaskTerms { Inputs = [new InputFile("a", 0, content)] };
        Assert.Empty(terms.Spent().Inputs);
        copy.AsSpan().Clear();
        Assert.False(content.TryCopyTo(copy));
        Assert.Equal(-1, copy.AsSpan().IndexOfAnyExcept((byte)0));
    }

    /// <summary>Uploads leave nothing behind for the collector's oldest generation.</summary>
    [Fact]
    [Trait("Promise", "IM3")]
    public void Large_ones_use_the_same_memory_again()
    {
        var bytes = new byte[1 << 20];
        new FileContent(bytes).Release();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 100; i++)
        {
            new FileContent(bytes).Release();
        }

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    /// <summary>Who copies beside the end gets all of it or is told that there is nothing: never what the memory is used for next.</summary>
    [Fact]
    public void A_copy_beside_the_end_is_whole_or_none()
    {
        var going = true;
        var torn = 0;
        var current = Filled(1);
        var copier = new Thread(() =>
        {
            var copy = new byte[100_000];
            while (Volatile.Read(ref going))
            {
                var content = Volatile.Read(ref current);
                if (content.TryCopyTo(copy) && copy.AsSpan().ContainsAnyExcept(copy[0]))
                {
                    torn++;
                }
            }
        });
        copier.Start();
        for (var round = 2; round < 5_000; round++)
        {
            var old = current;
            Volatile.Write(ref current, Filled((byte)round));
            old.Release();
        }

        Volatile.Write(ref going, false);
        copier.Join();
        Assert.Equal(0, torn);

        static FileContent Filled(byte value)
        {
            var bytes = new byte[100_000];
            bytes.AsSpan().Fill(value);
            return new FileContent(bytes);
        }
    }
}
