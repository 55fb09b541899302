using Wayang.Fast.Execution.Commands;

namespace Wayang.Fast.Execution.Tests;

/// <summary>How often streams of commands are looked at, counted over a clock that the test turns.</summary>
[Trait("Promise", "IM3")]
public sealed class LookScheduleTests
{
    private const long Frequency = 1_000_000;
    private const long Millisecond = Frequency / 1000;

    private readonly LookSchedule _schedule = new(Frequency);

    [Fact]
    public void What_is_seldom_is_looked_at_at_once()
    {
        var command = default(LookAllowance);
        for (var line = 0; line < 1000; line++)
        {
            Assert.True(_schedule.TryLookNow(ref command, line * (Frequency / LookSchedule.PromptPerSecond)), $"line {line}");
        }
    }

    [Fact]
    public void A_command_has_its_burst_and_fills_it_again()
    {
        var command = default(LookAllowance);
        Assert.Equal(LookSchedule.PromptBurst, LooksNow(ref command, 0));
        Assert.Equal(0, LooksNow(ref command, Frequency / LookSchedule.PromptPerSecond / 2));
        Assert.Equal(1, LooksNow(ref command, Frequency / LookSchedule.PromptPerSecond));
        Assert.Equal(LookSchedule.PromptBurst, LooksNow(ref command, 10 * Frequency));
    }

    [Fact]
    public void Many_commands_share_the_burst_of_the_node()
    {
        var looks = 0;
        for (var i = 0; i < 1000; i++)
        {
            var command = default(LookAllowance);
            looks += LooksNow(ref command, 0);
        }

        Assert.Equal(LookSchedule.NodeBurst, looks);
        Assert.False(_schedule.MayWatch(0));
        Assert.True(_schedule.MayWatch(Millisecond));
    }

    /// <summary>One byte at a time, as fast as they are taken: what was a look for each is one in some milliseconds.</summary>
    [Theory]
    [InlineData(1, 1, 240, 251)]
    [InlineData(1, LookSchedule.ManyBytes, 990, 1001)]
    [InlineData(1000, 1, 7900, 8008)]
    public void Streams_that_never_end_are_looked_at_so_often_in_a_second(int streams, int bytes, int least, int most)
    {
        var waiting = Enumerable.Range(0, streams).ToDictionary(static i => (ulong)i, i => _schedule.Defer((ulong)i, 0, bytes));
        var (looks, turns) = (0, 0);
        for (long now = 0; now < Frequency; now = Math.Max(now + 1, _schedule.NextDue))
        {
            turns++;
            while (_schedule.TryTakeDue(now, out var token, out var due))
            {
                Assert.Equal(waiting[token], due);
                Assert.True(due <= now);
                looks++;
                waiting[token] = _schedule.Defer(token, now, bytes);
            }
        }

        Assert.InRange(looks, least, most);
        Assert.InRange(turns, 0, 1001);
    }

    [Fact]
    public void Those_that_are_put_off_take_turns()
    {
        const int streams = 100;
        var counts = new int[streams];
        for (var i = 0; i < streams; i++)
        {
            _schedule.Defer((ulong)i, 0, 1);
        }

        for (long now = 0; now < 2 * Frequency; now += Millisecond)
        {
            while (_schedule.TryTakeDue(now, out var token, out _))
            {
                counts[token]++;
                _schedule.Defer(token, now, token == 0 ? LookSchedule.ManyBytes : 1); // who floods has no more than a few looks before the others
            }
        }

        Assert.InRange(counts.Skip(1).Min(), counts.Max() / 3, counts.Max());
    }

    private int LooksNow(ref LookAllowance command, long now)
    {
        var looks = 0;
        while (_schedule.TryLookNow(ref command, now))
        {
            looks++;
        }

        return looks;
    }
}
