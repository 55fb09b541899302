#pragma warning disable CA1416 // The runtime is Linux only: files have modes here.
using System.Diagnostics;
using System.Text.Json;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Audit;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Gateway.Tests.Rest;
using Xunit;

namespace Wayang.Fast.Gateway.Tests.Audit;

/// <summary>The files of the audit log: closed, bounded, whole lines only; what could not be written is told, and holds nobody up.</summary>
[Trait("Promise", "COM7")]
public sealed class AuditLogTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    [Fact]
    public void Files_are_closed_to_others_and_bounded_in_size_and_number()
    {
        using var directory = new AuditDirectory();
        using (var log = directory.Open(directory.Options with { FileBytes = 4_096, Files = 3, QueuedRecords = 100_000 }))
        {
            Write(log, 2_000);
        }

        var files = AuditFiles.In(directory.Path);
        Assert.Equal(3, files.Count);
        Assert.True(files[0].Number > 1);
        Assert.All(files, static f => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(f.Path)));

        // A batch is never torn, so a file may be as long as one that is longer than the bound.
        Assert.All(files, static f => Assert.InRange(new FileInfo(f.Path).Length, 1, 256 * 1_024));
        var numbers = directory.Records().Select(static r => int.Parse(r.GetProperty("from").GetString()!, System.Globalization.CultureInfo.InvariantCulture)).ToList();
        Assert.Equal(Enumerable.Range(numbers[0], numbers.Count), numbers);
        Assert.Equal(1_999, numbers[^1]);
    }

    [Fact]
    public async Task What_cannot_be_written_waits_and_what_is_more_is_counted_and_told()
    {
        using var directory = new AuditDirectory();
        var place = Path.Combine(directory.Path, "state");
        using (var log = directory.Open(directory.Options with { Directory = place, QueuedRecords = 100 }))
        {
            Write(log, 1);
            await Eventually.TrueAsync("it is told that nothing can be written", () => directory.Count("wayang.audit.failing") == 1);
            Assert.NotNull(log.Problem);
            var begun = Stopwatch.GetTimestamp();
            Write(log, 1_000);
            Assert.True(Stopwatch.GetElapsedTime(begun) < TimeSpan.FromSeconds(5), "who leaves a record waits for nothing");
            Assert.InRange(log.Lost, 800, 900);
            await Eventually.TrueAsync("it is told that records are lost", () => directory.Count("wayang.audit.lost") > 0);
            Directory.CreateDirectory(place);
            await Eventually.TrueAsync("it is told that it is written again", () => directory.Count("wayang.audit.working") == 1);
            Assert.Null(log.Problem);
            Write(log, 1);
        }

        var records = AuditFiles.In(place).SelectMany(static f => File.ReadLines(f.Path)).Select(static l => JsonDocument.Parse(l).RootElement).ToList();
        var lost = records.Where(static r => r.GetProperty("operation").GetString() == "audit.lost").Sum(static r => r.GetProperty("count").GetInt64());
        Assert.Equal(1_002, records.Count(static r => r.GetProperty("operation").GetString() == "config.reload") + lost);
    }

    [Fact]
    public async Task A_full_disk_is_told_and_afterwards_every_line_is_whole()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "mounts a small file system, which takes root");
        using var directory = new AuditDirectory();
        Call("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", directory.Path);
        try
        {
            var ballast = Path.Combine(directory.Path, "ballast");
            await File.WriteAllBytesAsync(ballast, new byte[128 << 10], TestContext.Current.CancellationToken);
            using (var log = directory.Open(directory.Options with { QueuedRecords = 10_000 }))
            {
                await using var fixture = await RestFixture.StartAsync(audit: log);
                Write(log, 4_000); // half a megabyte of lines
                await Eventually.TrueAsync("it is told that nothing can be written", () => directory.Count("wayang.audit.failing") == 1);

                // Nobody who operates is held up by it.
                Assert.Equal(200, (await RestFixture.AskAsync(fixture.Connect(RestFixture.Secret), HttpMethod.Post, "/v1/runs", RestFixture.Call("echo"))).Status);
                File.Delete(ballast);
                await Eventually.TrueAsync("it is told that it is written again", () => directory.Count("wayang.audit.working") >= 1);
            }

            var records = directory.Records(); // all of them can be read
            Assert.True(records.Count > 500, $"{records.Count} records");
        }
        finally
        {
            Call("umount", "-l", directory.Path);
        }
    }

    [Fact]
    public void Half_a_line_of_a_node_that_lost_power_does_not_spoil_the_next()
    {
        using var directory = new AuditDirectory();
        File.WriteAllText(AuditFiles.PathOf(directory.Path, 7), "{\"time\":\"2026-");
        using (var log = directory.Open())
        {
            Write(log, 1);
        }

        var lines = File.ReadAllLines(AuditFiles.PathOf(directory.Path, 7));
        Assert.Equal(2, lines.Length);
        Assert.Equal("config.reload", JsonDocument.Parse(lines[1]).RootElement.GetProperty("operation").GetString());
    }

    [Fact]
    public async Task A_second_node_on_the_same_directory_writes_over_nothing()
    {
        using var directory = new AuditDirectory();
        using var second = new AuditDirectory();
        using var first = directory.Open();
        Write(first, 10);
        await Eventually.TrueAsync("all is written", () => first.Written == 10);
        using (var other = second.Open(directory.Options with { Farewell = TimeSpan.FromSeconds(30) }))
        {
            Write(other, 1);
            await Eventually.TrueAsync("it is told that nothing can be written", () => second.Count("wayang.audit.failing") == 1);
        }

        Assert.Equal(10, directory.Records().Count);
    }

    [Fact]
    public async Task Who_is_refused_without_end_pushes_nobody_else_out_of_the_files()
    {
        using var directory = new AuditDirectory();
        using (var log = directory.Open(directory.Options with { RefusalsPerSecond = 5 }))
        {
            await using var fixture = await RestFixture.StartAsync(
                new TokenStore([ServerFixture.Token("wayang_reader", "reader", OperationScopes.Read), ServerFixture.Token("wayang_operator", "operator")]), audit: log);
            var reader = fixture.Connect("wayang_reader");
            for (var i = 0; i < 300; i++)
            {
                Assert.Equal(403, (await RestFixture.AskAsync(reader, HttpMethod.Post, "/v1/node/scan", "{}")).Status);
            }

            await RestFixture.AskAsync(fixture.Connect("wayang_operator"), HttpMethod.Post, "/v1/node/scan", "{}");
            Assert.True(log.Suppressed > 0);
        }

        var records = directory.Records();
        var told = records.Where(static r => r.GetProperty("operation").GetString() == "node.scan").ToList();
        Assert.Single(told, static r => r.GetProperty("identity").GetString() == "token:operator");
        Assert.InRange(told.Count, 2, 250);
        Assert.Equal(301, told.Count + records.Where(static r => r.GetProperty("operation").GetString() == "audit.suppressed").Sum(static r => r.GetProperty("count").GetInt64()));
    }

    private static void Write(AuditLog log, int count)
    {
        for (var i = 0; i < count; i++)
        {
            log.Note("keeper", i.ToString(System.Globalization.CultureInfo.InvariantCulture), "config.reload", AuditRecord.Done);
        }
    }

    private static void Call(string program, params string[] arguments)
    {
        using var process = Process.Start(program, arguments);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }
}
