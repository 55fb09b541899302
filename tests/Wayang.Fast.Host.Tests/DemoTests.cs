using System.IO.Compression;
using System.Text;
using Wayang.Fast.Host.Demo;
using Xunit;

namespace Wayang.Fast.Host.Tests;

/// <summary>A demo that cannot fail shows nothing: its checks must refuse wrong answers.</summary>
public sealed class DemoTests
{
    private static readonly byte[] Text = "One two\ntwo three Three THREE\n"u8.ToArray();

    [Fact]
    public void Right_answers_pass()
    {
        Assert.True(Expectation.Count(Text, "2 6 30\n"u8));
        Assert.True(Expectation.Top(Text, "3 three\n2 two\n1 one\n"u8));
        Assert.True(Expectation.Hash("abc"u8.ToArray(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n"u8));
        Assert.True(Expectation.Sha256Sum("abc"u8.ToArray(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  -\n"u8));
        Assert.True(Expectation.Gzip(Text, Pack(Text)));
    }

    [Fact]
    public void Wrong_answers_do_not()
    {
        Assert.False(Expectation.Count(Text, "2 7 30\n"u8));
        Assert.False(Expectation.Count(Text, ""u8));
        Assert.False(Expectation.Top(Text, "3 three\n2 two\n"u8));
        Assert.False(Expectation.Hash(Text, "ba78\n"u8));
        Assert.False(Expectation.Gzip(Text, Pack([.. Text, 0])));
        Assert.False(Expectation.Gzip(Text, Pack(Text.AsSpan(1).ToArray())));
        Assert.False(Expectation.Gzip(Text, "not packed at all"u8));
    }

    [Fact]
    public void Words_are_runs_of_bytes_and_fold_ascii_only()
    {
        var content = Encoding.UTF8.GetBytes("Zürich ZÜRICH zürich");

        Assert.True(Expectation.Count(content, Encoding.UTF8.GetBytes($"0 3 {content.Length}\n")));
        Assert.True(Expectation.Top(content, Encoding.UTF8.GetBytes("2 zürich\n1 zÜrich\n")));
    }

    [Fact]
    public void Weights_of_words_are_checked_one_by_one()
    {
        var one = WordWeights.Parse("3 rare\n1 the\n"u8);
        var with = WordWeights.DocumentsWith([one, WordWeights.Parse("9 the\n"u8)]);
        Assert.True(WordWeights.IsRight("[[\"rare\",0.5198603854199589],[\"the\",0.0]]"u8, one, with, 2));
        Assert.False(WordWeights.IsRight("[[\"the\",0.0],[\"rare\",0.5198603854199589]]"u8, one, with, 2));
        Assert.False(WordWeights.IsRight("[[\"rare\",0.52],[\"the\",0.0]]"u8, one, with, 2));
        Assert.False(WordWeights.IsRight("[[\"rare\",0.5198603854199589]]"u8, one, with, 2));
        Assert.False(WordWeights.IsRight("[1]"u8, one, with, 2));
        Assert.False(WordWeights.IsRight("no json"u8, one, with, 2));
    }

    [Fact]
    public void Quantiles_are_exact()
    {
        var quantiles = new Quantiles();
        Assert.Equal(0, quantiles.At(0.5));
        for (var i = 100; i > 0; i--)
        {
            quantiles.Add(i);
        }

        Assert.Equal((50, 99, 100), (quantiles.At(0.5), quantiles.At(0.99), quantiles.At(1)));
    }

    [Fact]
    [Trait("Promise", "IM2")]
    public void An_ordinary_process_does_not_pass_as_sandboxed()
    {
        var own = SandboxFacts.Read(Environment.ProcessId);

        Assert.NotNull(own);
        Assert.False(own.Holds);
        Assert.Empty(own.OwnNamespaces);
        Assert.Null(SandboxFacts.Read(int.MaxValue));
    }

    [Fact]
    public void The_corpus_is_real_bounded_and_the_same_each_time()
    {
        var first = Corpus.Collect(200, TestContext.Current.CancellationToken);
        var second = Corpus.Collect(200, TestContext.Current.CancellationToken);

        Assert.Equal(200, first.Count);
        Assert.Equal(first.Select(static f => f.Path), second.Select(static f => f.Path));
        Assert.Equal(200, first.Select(static f => f.Path).Distinct(StringComparer.Ordinal).Count());
    }

    private static byte[] Pack(byte[] content)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            gzip.Write(content);
        }

        return packed.ToArray();
    }
}
