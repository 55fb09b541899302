using Wayang.Fast.Core.Sizing;

namespace Wayang.Fast.Core.Tests.Sizing;

[Trait("Promise", "RA2")]
public sealed class HourRhythmTests
{
    [Fact]
    public void Expects_what_came_hour_after_hour_and_at_no_other_minute()
    {
        int[] expected = [0, 12, 14, 15, 16, 16]; // once tells nothing; then the mean less the deviation, which halves
        var rhythm = new HourRhythm();
        for (var hour = 0; hour < expected.Length; hour++)
        {
            Hour(rhythm, hour, static minute => minute == 20 ? 16 : 0);
            Assert.Equal(expected[hour], rhythm.Expect(20 * 60));
        }

        Assert.All(Enumerable.Range(0, 60).Where(static m => m != 20), m => Assert.Equal(0, rhythm.Expect(m * 60)));
    }

    /// <summary>Once by chance is not a rhythm, and one that ended is forgotten.</summary>
    [Fact]
    public void A_single_burst_is_not_expected_again_and_a_rhythm_that_ended_soon_is_not()
    {
        var rhythm = new HourRhythm();
        for (var hour = 0; hour < 4; hour++)
        {
            Hour(rhythm, hour, static _ => 0);
        }

        Hour(rhythm, 4, static minute => minute == 7 ? 30 : 0);
        Assert.Equal(0, rhythm.Expect(7 * 60));
        for (var hour = 5; hour < 11; hour++)
        {
            Hour(rhythm, hour, static minute => minute == 7 ? 30 : 0);
        }

        Assert.InRange(rhythm.Expect(7 * 60), 28, 30);
        Hour(rhythm, 11, static _ => 0);
        Assert.Equal(0, rhythm.Expect(7 * 60));
    }

    [Fact]
    public void A_minute_that_was_not_seen_whole_teaches_nothing()
    {
        var rhythm = new HourRhythm();
        for (var hour = 0; hour < 5; hour++)
        {
            rhythm.Observe((hour * 3600) + 600, 40); // the clock jumps to it, and away
            rhythm.Observe((hour * 3600) + 1800, 0);
        }

        Assert.False(rhythm.IsKnown);
    }

    [Fact]
    public void What_is_known_is_written_and_read()
    {
        var rhythms = new HourRhythms(4);
        var key = new RhythmKey(3, "0123abcd", "compute");
        for (var hour = 0; hour < 5; hour++)
        {
            Hour(rhythms.Get(key), hour, static minute => minute % 15 == 0 ? 8 : 0);
        }

        _ = rhythms.Get(new RhythmKey(3, "nothing", "compute")); // nothing was learned: it is left out
        var bytes = rhythms.Serialize();
        var restored = new HourRhythms(4);
        Assert.Null(restored.Restore(bytes));
        Assert.Equal(1, restored.Count);
        Assert.Equal(8, restored.Get(key).Expect(45 * 60));
        for (var i = 0; i < bytes.Length; i += 7)
        {
            var bad = bytes.ToArray();
            bad[i] ^= 0x40;
            Assert.NotNull(new HourRhythms(4).Restore(bad));
            Assert.NotNull(new HourRhythms(4).Restore(bytes.AsSpan(0, i)));
        }
    }

    [Fact]
    public void Cells_that_are_no_counts_are_refused()
    {
        var bytes = new byte[HourRhythm.SerializedBytes];
        Assert.True(new HourRhythm().TryRead(bytes));
        foreach (var bad in (float[])[float.NaN, -1, float.PositiveInfinity, 1e9f])
        {
            BitConverter.TryWriteBytes(bytes.AsSpan(9 * 30), bad);
            Assert.False(new HourRhythm().TryRead(bytes));
        }
    }

    [Fact]
    public void Rhythms_are_bounded()
    {
        var rhythms = new HourRhythms(2);
        for (var i = 0; i < 10; i++)
        {
            Assert.NotNull(rhythms.Get(new RhythmKey(i, "image", "compute")));
        }

        Assert.Equal(2, rhythms.Count);
    }

    private static void Hour(HourRhythm rhythm, int hour, Func<int, int> need)
    {
        for (var second = -1; second <= 3600; second += 5)
        {
            var at = (hour * 3600L) + Math.Max(0, second);
            rhythm.Observe(at, need((int)(at / 60 % 60)));
        }
    }
}
