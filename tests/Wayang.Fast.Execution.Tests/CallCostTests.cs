using Wayang.Fast.Execution.Completions;
using Wayang.Fast.Execution.Limits;

namespace Wayang.Fast.Execution.Tests;

/// <summary>How far a worker's word about its processor time is believed.</summary>
[Trait("Promise", "TR2")]
public sealed class CallCostTests
{
    [Theory]
    [InlineData(0ul, 1, 1ul)] // measured: told apart from not measured
    [InlineData(1_000ul, 1, 1ul)]
    [InlineData(1_001ul, 1, 2ul)]
    [InlineData(4_000_000ul, 1, 4_000ul)]
    [InlineData(5_000_001ul, 1, 5_000ul)]
    [InlineData(5_000_001ul, 2, 5_001ul)]
    [InlineData(10_000_001ul, 2, 10_000ul)]
    [InlineData(ulong.MaxValue, 64, 320_000ul)]
    public void A_claim_is_believed_up_to_the_time_on_all_processors(ulong claim, int processors, ulong believed) =>
        Assert.Equal(believed, CallCost.Believe(claim, TimeSpan.FromMilliseconds(5), processors));

    [Fact]
    public void A_clock_that_went_back_makes_nothing_of_a_claim() => Assert.Equal(1ul, CallCost.Believe(ulong.MaxValue, TimeSpan.FromSeconds(-1), 8));

    [Theory]
    [InlineData("0\n", 1)]
    [InlineData("0-3\n", 4)]
    [InlineData("0-3,8,10-11\n", 7)]
    public void Processors_are_counted_as_the_kernel_lists_them(string list, int count) => Assert.Equal(count, HostProcessors.CountOf(list));
}
