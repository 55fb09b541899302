using Wayang.Fast.Host.Cli;
using Xunit;

namespace Wayang.Fast.Host.Tests;

/// <summary>Sizes as people write them behind --memory, --disk and --reserve.</summary>
[Trait("Promise", "RA1")]
public sealed class LimitOptionTests
{
    [Theory]
    [InlineData(null, 0)]
    [InlineData("4096", 4096)]
    [InlineData("64k", 64 << 10)]
    [InlineData("256M", 256 << 20)]
    [InlineData("256MB", 256 << 20)]
    [InlineData("1.5GiB", 3L << 29)]
    public void A_size_counts_by_1024(string? text, long bytes) => Assert.Equal(bytes, LimitOptions.ReadSize("--disk", text, 4096));

    [Theory]
    [InlineData("")]
    [InlineData("M")]
    [InlineData("-1M")]
    [InlineData("4095")]
    [InlineData("1e9")]
    [InlineData("1..5M")]
    [InlineData("10 parsecs")]
    [InlineData("99999999999G")]
    public void What_is_no_size_is_told_with_an_example(string text)
    {
        var error = Assert.Throws<CommandException>(() => LimitOptions.ReadSize("--disk", text, 4096));
        Assert.Contains("--disk", error.Message, StringComparison.Ordinal);
        Assert.Equal(ExitCodes.Usage, error.ExitCode);
    }
}
