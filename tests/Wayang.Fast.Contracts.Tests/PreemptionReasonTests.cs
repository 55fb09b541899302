using System.Text;
using Wayang.Fast.Contracts.Tasks;
using Xunit;

namespace Wayang.Fast.Contracts.Tests;

/// <summary>The sentence that says why a task was frozen, made when somebody reads it.</summary>
public sealed class PreemptionReasonTests
{
    private const string Sentence = "class idle yields to urgent: of the lowest class it had run least (12.5 ms) for what it holds (3 MiB)";
    private static readonly PreemptionReason s_chosen = new(TaskClass.Idle, TaskClass.Urgent, TimeSpan.FromMilliseconds(12.5), (3 << 20) + 5);

    [Fact]
    public void Numbers_become_a_sentence()
    {
        Assert.Equal(Sentence, s_chosen.ToString());
        Span<byte> utf8 = stackalloc byte[PreemptionReason.MaxBytes];
        Assert.True(s_chosen.TryFormat(utf8, out var written));
        Assert.Equal(Sentence, Encoding.UTF8.GetString(utf8[..written]));
    }

    [Fact]
    public void The_largest_numbers_fit()
    {
        var largest = new PreemptionReason(TaskClass.System, TaskClass.System, TimeSpan.MaxValue, long.MaxValue);
        Assert.True(largest.TryFormat(stackalloc byte[PreemptionReason.MaxBytes], out _));
    }

    [Fact]
    public void What_a_node_told_stays_as_it_is()
    {
        var told = new PreemptionReason(Sentence);
        Assert.Equal(Sentence, told.ToString());
        Assert.False(told.TryFormat(stackalloc byte[PreemptionReason.MaxBytes], out _));
    }

    [Fact]
    public void Without_room_nothing_is_written() => Assert.False(s_chosen.TryFormat(stackalloc byte[8], out _));
}
