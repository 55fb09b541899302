using Wayang.Fast.Gateway.Audit;
using Wayang.Fast.Host.Cli;
using Xunit;

namespace Wayang.Fast.Host.Tests;

/// <summary>Reading an audit log that is written, followed by the next file, and forgotten meanwhile.</summary>
[Trait("Promise", "COM7")]
public sealed class AuditReaderTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("wayang-audit-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void It_goes_on_where_it_stopped_over_the_files()
    {
        var reader = new AuditReader(_directory);
        Assert.Empty(Read(reader));
        Append(1, "a\nb\nhal");
        Assert.Equal(["a", "b"], Read(reader));
        Assert.Empty(Read(reader));
        Append(1, "f\n");
        Append(2, "c\n");
        Assert.Equal(["half", "c"], Read(reader));
        Append(2, "d\n");
        Append(3, "e\n");
        Assert.Equal(["d", "e"], Read(reader));
        Assert.Equal(0, reader.Missed);

        // Two files came and went before they were looked at.
        File.Delete(AuditFiles.PathOf(_directory, 3));
        Append(6, "z\n");
        Assert.Equal(["z"], Read(reader));
        Assert.Equal(2, reader.Missed);
    }

    [Fact]
    public void What_is_longer_than_any_record_is_stepped_over()
    {
        var reader = new AuditReader(_directory);
        Append(1, "a\n" + new string('x', 300_000) + "\nb\n");
        var lines = Read(reader);
        Assert.Equal(("a", "b"), (lines[0], lines[^1]));
        Append(1, "c\n");
        Assert.Equal(["c"], Read(reader));
    }

    private static List<string> Read(AuditReader reader) => [.. reader.ReadNew(DateTime.MinValue)];

    private void Append(int number, string text) => File.AppendAllText(AuditFiles.PathOf(_directory, number), text);
}
