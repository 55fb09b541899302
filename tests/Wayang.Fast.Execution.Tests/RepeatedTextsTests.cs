using System.Text;
using Wayang.Fast.Execution.Completions;

namespace Wayang.Fast.Execution.Tests;

/// <summary>Error texts that come again are made once; none is ever taken for another.</summary>
public sealed class RepeatedTextsTests
{
    private readonly RepeatedTexts _texts = new();

    [Fact]
    public void The_same_bytes_are_the_same_string()
    {
        var first = _texts.Get("ValueError: no such column"u8);
        Assert.Equal("ValueError: no such column", first);
        Assert.Same(first, _texts.Get("ValueError: no such column"u8));
    }

    /// <summary>Far more than there are places, so that many share one: each is its own all the same.</summary>
    [Fact]
    public void Texts_that_share_a_place_do_not_become_each_other()
    {
        for (var round = 0; round < 2; round++)
        {
            for (var i = 0; i < 5_000; i++)
            {
                var text = $"error {i}";
                Assert.Equal(text, _texts.Get(Encoding.UTF8.GetBytes(text)));
            }
        }
    }

    [Fact]
    public void A_long_one_is_not_kept()
    {
        var utf8 = new byte[RepeatedTexts.MostBytes + 1];
        Array.Fill(utf8, (byte)'x');
        Assert.NotSame(_texts.Get(utf8), _texts.Get(utf8));
        Assert.Same(_texts.Get(utf8.AsSpan(1)), _texts.Get(utf8.AsSpan(1)));
    }
}
