using Wayang.Fast.Execution.Completions;

namespace Wayang.Fast.Execution.Tests;

/// <summary>Whoever floods takes a share of each turn, and nobody else's.</summary>
[Trait("Promise", "IM3")]
public sealed class TurnRoundTests
{
    private const int Share = 64;
    private const int PerTurn = 256;

    /// <summary>However many flood, between two visits of a quiet one they bring a share each, and each turn at most its bound and a share.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(57)]
    public void A_quiet_one_comes_up_behind_a_share_of_each_flood(int floods)
    {
        var round = new TurnRound<string>(PerTurn);
        for (var i = 0; i < floods; i++)
        {
            round.Add($"flood {i}");
        }

        round.Add("quiet");
        var between = 0;
        var visits = 0;
        for (var turn = 0; turn < 1_000; turn++)
        {
            round.Begin();
            var bytes = 0;
            while (round.Visit() is { } member)
            {
                if (member == "quiet")
                {
                    Assert.True(between <= floods * Share, $"{between} bytes of {floods} floods went before it");
                    between = 0;
                    visits++;
                }
                else
                {
                    round.Spend(Share);
                    between += Share;
                    bytes += Share;
                }

                round.Keep();
            }

            Assert.InRange(bytes, 0, PerTurn + Share);
        }

        Assert.True(visits >= Math.Min(1_000, 1_000 * PerTurn / Share / (floods + 1)), $"{visits} visits in 1,000 turns");
    }

    [Fact]
    public void Each_is_visited_once_a_round_and_leaves_when_it_is_read_to_its_end()
    {
        var round = new TurnRound<string>(PerTurn);
        foreach (var name in (string[])["a", "b", "c", "d"])
        {
            round.Add(name);
        }

        round.Begin();
        var seen = new List<string>();
        while (round.Visit() is { } member)
        {
            seen.Add(member);
            if (member is "b" or "d")
            {
                round.Drop();
            }
            else
            {
                round.Keep();
            }
        }

        Assert.Equal(["a", "b", "c", "d"], seen);
        Assert.Equal((2, "a", "c"), (round.Count, round[0], round[1]));
        round.Remove("a");
        round.Begin();
        Assert.Equal("c", round.Visit());
        round.Drop();
        Assert.Null(round.Visit());
    }

    [Fact]
    public void Bytes_that_others_brought_end_the_turn_and_the_next_goes_on_behind_it()
    {
        var round = new TurnRound<string>(PerTurn);
        round.Add("a");
        round.Add("b");
        round.Begin();
        Assert.Equal("a", round.Visit());
        round.Keep();
        Assert.True(round.HasBytesLeft);
        round.Spend(PerTurn);
        Assert.False(round.HasBytesLeft);
        Assert.Null(round.Visit());
        round.Begin();
        Assert.Equal("b", round.Visit());
    }
}
