using Wayang.Fast.Execution.Checkpoints;

namespace Wayang.Fast.Execution.Tests;

/// <summary>Who writes a call down while it runs is held to the pace of who reads that (PS2): else all that is read too late is read while the call stands still.</summary>
public sealed class GrowingFileTests : IDisposable
{
    private const int Ahead = GrowingFile.Ahead;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    /// <summary>Long enough for a writer that does not wait to show it.</summary>
    private static readonly TimeSpan s_moment = TimeSpan.FromMilliseconds(200);

    private readonly string _path = Path.GetTempFileName();
    private readonly GrowingFile _file = new();
    private readonly byte[] _buffer = new byte[Ahead];

    public GrowingFileTests()
    {
        File.WriteAllBytes(_path, new byte[4 * Ahead]);
        _file.Begin(_path, [1]);
    }

    public void Dispose()
    {
        _file.Dispose();
        File.Delete(_path);
    }

    [Fact]
    public async Task A_writer_waits_for_a_reader_that_reads_and_goes_on_when_that_has_read()
    {
        _file.Grow(10);
        Assert.Equal(10, _file.Read(0, _buffer));
        await Write(10 + Ahead).WaitAsync(s_patience, TestContext.Current.CancellationToken); // so much it may be ahead
        var writing = Write(11 + Ahead);
        await Assert.ThrowsAsync<TimeoutException>(() => writing.WaitAsync(s_moment));
        Assert.Equal(1, _file.Read(10, _buffer.AsSpan(0, 1)));
        await writing.WaitAsync(s_patience, TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_writer_without_a_reader_waits_for_nobody() => await Write(4 * Ahead).WaitAsync(s_patience, TestContext.Current.CancellationToken);

    [Fact]
    public async Task A_writer_waits_for_no_reader_that_has_gone()
    {
        Assert.Equal(0, _file.Read(0, _buffer));
        var writing = Write(4 * Ahead);
        _file.Dispose();
        await writing.WaitAsync(s_patience, TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_writer_waits_for_a_reader_that_stands_still_once_and_never_again()
    {
        Assert.Equal(0, _file.Read(0, _buffer));
        await Write(2 * Ahead).WaitAsync(s_patience, TestContext.Current.CancellationToken);
        var again = Write(3 * Ahead);
        await again.WaitAsync(TimeSpan.FromSeconds(1), TestContext.Current.CancellationToken); // its patience is longer than that
        Assert.Equal(Ahead, _file.Read(0, _buffer)); // who comes late finds all of it
    }

    [Fact]
    public async Task Its_end_is_seen_by_who_waits_for_more()
    {
        _file.Grow(10);
        var more = _file.LongerThan(10);
        Assert.False(more.IsCompleted || _file.IsWhole);
        _file.Grow(10, isWhole: true);
        await more.WaitAsync(s_patience, TestContext.Current.CancellationToken);
        Assert.True(_file.IsWhole);
    }

    private Task Write(long length) => Task.Factory.StartNew(
        () =>
        {
            _file.Grow(length);
            _file.Pace();
        },
        CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
}
