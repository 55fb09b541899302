using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Memory;

namespace Wayang.Fast.Core.Tests.Lifecycle;

public class CauseWordsTests
{
    [Fact]
    public void What_was_said_is_read_again_whatever_it_was()
    {
        var slabs = new PayloadSlabs(8 << 20);
        var words = default(CauseWords);
        string?[] texts = [null, "", "no such function", "\U0001F600", "\uD800 alone", string.Concat(Enumerable.Repeat("x\U0001F600\u20AC", 5000))];
        foreach (var detail in texts)
        {
            foreach (var traceback in texts)
            {
                words.Set(slabs, detail, traceback);
                Assert.Equal(new TaskCause(CauseType.Exception, 7, Sound(detail), Sound(traceback)), words.With(slabs, CauseType.Exception, 7));
            }
        }

        Assert.InRange(words.PooledBytes(slabs), 1, int.MaxValue);
        words.Clear(slabs);
        Assert.Equal(0, words.PooledBytes(slabs));
        Assert.Equal(new TaskCause(CauseType.Exit, 1), words.With(slabs, CauseType.Exit, 1));

        static string? Sound(string? text) => text?.Replace("\uD800 ", "\uFFFD ", StringComparison.Ordinal);
    }

    /// <summary>A record may be given to another task while somebody reads what the last one said.</summary>
    [Fact]
    public void Who_reads_beside_a_writer_sees_one_cause_or_none()
    {
        var slabs = new PayloadSlabs(8 << 20);
        var words = default(CauseWords);
        string[] texts = [.. Enumerable.Range(0, 8).Select(static i => new string((char)('a' + i), 40 << i))];
        var writing = true;
        var seen = 0;
        var writer = new Thread(() =>
        {
            for (var round = 0; round < 20_000 || (Volatile.Read(ref seen) < 20 && round < 50_000_000); round++)
            {
                words.Set(slabs, texts[round & 7], texts[round & 7]);
                if ((round & 1) == 0)
                {
                    words.Clear(slabs);
                }
            }

            Volatile.Write(ref writing, false);
        });
        writer.Start();
        while (Volatile.Read(ref writing))
        {
            var cause = words.With(slabs, CauseType.Exception, 0);
            if (cause.Detail is null)
            {
                continue;
            }

            Assert.Contains(cause.Detail, texts);
            Assert.Equal(cause.Detail, cause.Traceback);
            Volatile.Write(ref seen, seen + 1);
        }

        writer.Join();
        words.Set(slabs, "last", null);
        Assert.Equal("last", words.With(slabs, CauseType.Exception, 0).Detail);
        Assert.True(seen >= 20, "nothing was read beside the writer");
    }
}
