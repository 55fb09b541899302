using Wayang.Fast.Host.Cli;
using Xunit;

namespace Wayang.Fast.Host.Tests;

/// <summary>What is told of a command line that cannot be read.</summary>
public sealed class WrongWordsTests
{
    [Theory]
    [InlineData("no such option: '--too'; did you mean --to?", "migrate", "--too", "blue")]
    [InlineData("no such option: '--too'; did you mean --to?", "migrate", "01JD8Z0000ABCDEFGHJKMNPQRS", "--too", "blue")]
    [InlineData("no such option: '--hom'; did you mean --home?", "migrate", "--hom")]
    [InlineData("no such command: 'drian'; did you mean drain?", "drian")]
    [InlineData("no such command: 'more'", "peers", "more")]
    public void A_word_that_nobody_knows_is_named_and_the_nearest_one(string told, params string[] arguments) =>
        Assert.Equal(told, CommandLineInterface.Complaints(CommandLineInterface.Build().Parse(arguments))[0]);

    [Theory]
    [InlineData("migrate", "01JD8Z0000ABCDEFGHJKMNPQRS", "--to", "--blue")]
    [InlineData("run", "--class", "urgent", "--", "ls", "--all")]
    [InlineData("drain", "--undo")]
    public void Of_others_nothing_is_told(params string[] arguments) => Assert.Empty(CommandLineInterface.Complaints(CommandLineInterface.Build().Parse(arguments)));
}
