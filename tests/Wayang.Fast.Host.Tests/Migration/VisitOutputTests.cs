using Wayang.Fast.Cluster.Migration;
using Wayang.Fast.Contracts.Operations;
using Xunit;

namespace Wayang.Fast.Host.Tests.Migration;

/// <summary>A peer that says one thing of a call's output and gives another: home takes nothing of it, and the call goes on from its file.</summary>
[Trait("Promise", "PS2")]
public sealed class VisitOutputTests
{
    private readonly byte[] _output = [.. Enumerable.Range(0, 1000).Select(static i => (byte)i)];

    [Theory]
    [InlineData(1)]
    [InlineData(300)]
    [InlineData(1000)]
    public async Task It_is_read_piece_by_piece(int pieceBytes)
    {
        var (bytes, why) = await VisitOutput.ReadAsync(1000, most: 1000, offset => Piece(offset, pieceBytes));
        Assert.Null(why);
        Assert.True(_output.AsSpan().SequenceEqual(bytes));
    }

    [Fact]
    public async Task None_at_all_is_an_output_and_nothing_is_asked_for()
    {
        var (bytes, why) = await VisitOutput.ReadAsync(0, most: 1000, static _ => throw new InvalidOperationException("asked"));
        Assert.Null(why);
        Assert.Empty(bytes!);
    }

    [Theory]
    [InlineData(1001)]
    [InlineData(long.MaxValue)]
    [InlineData(-1)]
    public async Task More_than_is_allowed_here_is_not_even_asked_for(long told)
    {
        var (bytes, why) = await VisitOutput.ReadAsync(told, most: 1000, static _ => throw new InvalidOperationException("asked"));
        Assert.Null(bytes);
        Assert.Contains("limits.payload_bytes", why, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(999, 300, "longer than the 999 bytes")]
    [InlineData(10, 1000, "longer than the 10 bytes")]
    [InlineData(1001, 300, "shorter than the 1001 bytes")]
    public async Task What_is_not_as_long_as_was_told_is_not_taken(long told, int pieceBytes, string expected)
    {
        var (bytes, why) = await VisitOutput.ReadAsync(told, most: 1_000_000, offset => Piece(offset, pieceBytes));
        Assert.Null(bytes);
        Assert.Contains(expected, why, StringComparison.Ordinal);
    }

    private Task<VisitPiece> Piece(long offset, int pieceBytes)
    {
        var from = (int)Math.Min(offset, _output.Length);
        return Task.FromResult(new VisitPiece(_output.AsMemory(from, Math.Min(pieceBytes, _output.Length - from))));
    }
}
