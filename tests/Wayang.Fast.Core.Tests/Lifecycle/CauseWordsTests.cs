using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Memory;

namespace Wayang.Fast.Core.Tests.Lifecycle;

public class CauseWordsTests
{
    [Fact]
    public void What_was_said_is_read_again_whatever_it_was()
    {
        var words = new CauseWords(new PayloadSlabs(8 << 20));
        string?[] texts = [null, "", "no such function", "\U0001F600", "\uD800 alone", string.Concat(Enumerable.Repeat("x\U0001F600\u20AC", 5000))];
        foreach (var detail in texts)
        {
            foreach (var traceback in texts)
            {
                words.Set(detail, traceback);
                Assert.Equal(new TaskCause(CauseType.Exception, 7, Sound(detail), Sound(traceback)), words.With(CauseType.Exception, 7));
            }
        }

        Assert.InRange(words.PooledBytes, 1, int.MaxValue);
        words.Clear();
        Assert.Equal(0, words.PooledBytes);
        Assert.Equal(new TaskCause(CauseType.Exit, 1), words.With(CauseType.Exit, 1));

        static string? Sound(string? text) => text?.Replace("\uD800 ", "\uFFFD ", StringComparison.Ordinal);
    }

    /// <summary>A record may be given to another task while somebody reads what the last one said.</summary>
    [Fact]
    public void Who_reads_beside_a_writer_sees_one_cause_or_none()
    {
        var words = new CauseWords(new PayloadSlabs(8 << 20));
        string[] texts = [.. Enumerable.Range(0, 8).Select(static i => new string((char)('a' + i), 40 << i))];
        var writing = true;
        var writer = new Thread(() =>
        {
            for (var round = 0; round < 20_000; round++)
            {
                words.Set(texts[round & 7], texts[round & 7]);
                if ((round & 1) == 0)
                {
                    words.Clear();
                }
            }

            Volatile.Write(ref writing, false);
        });
        writer.Start();
        var seen = 0;
        while (Volatile.Read(ref writing))
        {
            var cause = words.With(CauseType.Exception, 0);
            if (cause.Detail is null)
            {
                continue;
            }

            Assert.Contains(cause.Detail, texts);
            Assert.Equal(cause.Detail, cause.Traceback);
            seen++;
        }

        writer.Join();
        words.Set("last", null);
        Assert.Equal("last", words.With(CauseType.Exception, 0).Detail);
        Assert.True(seen > 0 || Environment.ProcessorCount == 1, "nothing was read beside the writer");
    }
}
