using Wayang.Fast.Core.Resources;

namespace Wayang.Fast.Core.Tests.Resources;

[Trait("Promise", "RA2")]
public sealed class ResultCacheTests
{
    [Fact]
    public void Parts_that_only_look_alike_together_make_different_keys()
    {
        Assert.NotEqual(Key("ab", "c"), Key("a", "bc"));
        Assert.NotEqual(Key("ab"), Key("ab", ""));
        Assert.Equal(Key("ab", "c"), Key("ab", "c"));
    }

    [Fact]
    public void What_was_used_longest_ago_leaves_first_and_each_tenant_pays_for_itself()
    {
        var cache = new ResultCache(4 * Result(1000).Bytes);
        for (var i = 0; i < 4; i++)
        {
            cache.Add(1, Key($"one {i}"), Result(1000));
        }

        cache.Add(2, Key("two"), Result(1000));
        Assert.True(cache.TryFind(1, Key("one 0"), out _));
        cache.Add(1, Key("one 4"), Result(1000));
        Assert.False(cache.TryFind(1, Key("one 1"), out _));
        Assert.True(cache.TryFind(1, Key("one 0"), out _));
        Assert.True(cache.TryFind(2, Key("two"), out _));
        Assert.False(cache.TryFind(1, Key("two"), out _));
        Assert.Equal(5 * Result(1000).Bytes, cache.Bytes);
        cache.Change(Result(1000).Bytes);
        Assert.Equal(2 * Result(1000).Bytes, cache.Bytes);
        cache.Change(0);
        Assert.Equal(0, cache.Bytes);
        Assert.False(cache.IsOn);
    }

    [Fact]
    public void Result_over_a_quarter_of_the_bound_is_not_kept()
    {
        var cache = new ResultCache(4096);
        cache.Add(0, Key("big"), Result(2000));
        Assert.Equal(0, cache.Bytes);
    }

    private static CachedResult Result(int bytes) => new(new byte[bytes], [], []);

    private static ResultKey Key(params string[] parts)
    {
        using var builder = new ResultKeyBuilder();
        foreach (var part in parts)
        {
            builder.Add(part);
        }

        return builder.Build();
    }
}
