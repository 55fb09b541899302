namespace Wayang.Fast.Architecture.Tests;

/// <summary>What the ahead-of-time compiler leaves out is compiled while others wait.</summary>
public sealed class AheadOfTimeTests
{
    /// <summary>A field of 128 bits in one type that everybody knows left out all methods that knew a task; nobody is told of it.</summary>
    [Fact]
    public void Nothing_has_128_bits()
    {
        string[] words = ["UInt128", "Int128"];
        Repository.AssertNone(
            from file in Repository.Files("src/", ".cs")
            from line in Text.CodeLines(Repository.Read(file))
            from word in words
            where Text.HasWord(line.Text, word)
            select $"{file}:{line.Number}: {word}: every method that touches it is compiled while the program runs; use two halves");
    }
}
