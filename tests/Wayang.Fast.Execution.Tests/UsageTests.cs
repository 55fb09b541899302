using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Limits;
using Wayang.Fast.Execution.Spawner;

namespace Wayang.Fast.Execution.Tests;

/// <summary>What tasks use while they run, and what the host lacks.</summary>
[Trait("Promise", "RA1")]
public sealed class UsageTests
{
    [Fact]
    public async Task A_running_command_is_seen_to_use_memory_and_processor_time()
    {
        using var node = new TestNode();
        Assert.SkipUnless(node.Has("MemoryGroup"), "this host gives the runtime no memory group");
        var ending = node.Submit(node.ResolveCommand(), command: ["/bin/sh", "-c", "x=$(head -c 20000000 /dev/zero | tr '\\0' a); echo x; sleep 600"]);
        TaskSnapshot? seen = null;
        await TestNode.UntilAsync(() => node.Tasks.Get(ending.Id, 0, out seen) is null && seen!.PeakMemoryBytes > 20_000_000 && seen.CpuMicroseconds > 0);
        Assert.Equal(TaskState.Running, seen!.State);
        Assert.Null(node.Tasks.Cancel(ending.Id, 0));
        await ending.WaitAsync();
        Assert.Null(node.Tasks.Get(ending.Id, 0, out var ended));
        Assert.True(ended!.CpuMicroseconds >= seen.CpuMicroseconds && ended.PeakMemoryBytes >= seen.PeakMemoryBytes);
    }

    [Fact]
    public async Task A_worker_s_memory_is_told_until_it_is_gone()
    {
        using var node = new TestNode();
        Assert.SkipUnless(node.Has("MemoryGroup"), "this host gives the runtime no memory group");
        Assert.Equal(TaskState.Succeeded, (await node.Submit(node.Resolve("echo")).WaitAsync()).State);
        await TestNode.UntilAsync(() => node.Runtime.Monitor.ListWorkers(0, 10).Any(static w => w is { MemoryBytes: > 0, CpuMicroseconds: > 0 }));
        Assert.True(node.Statistic("workers_memory_bytes") > 0);
    }

    [Fact]
    public void An_answer_that_claims_another_count_is_malformed()
    {
        var body = new byte[ProtocolLayout.UsageOfBytes + ProtocolLayout.WorkerUsageBytes];
        body[0] = 7;
        body[4] = 1;
        body[ProtocolLayout.UsageOfBytes] = 9;
        body[ProtocolLayout.UsageOfBytes + 8] = 5;
        body.AsSpan(ProtocolLayout.UsageOfBytes + 16).Fill(0xFF); // no time can be negative
        Assert.True(MessageReader.TryReadUsageHeader(body, out var next, out var count));
        Assert.Equal((7u, 1), (next, count));
        Assert.Equal((9ul, 5L, 0L), MessageReader.ReadUsage(body, 0));
        Assert.False(MessageReader.TryReadUsageHeader(body.AsSpan(0, body.Length - 1), out _, out _));
        Assert.False(MessageReader.TryReadUsageHeader(body.AsSpan(0, 7), out _, out _));
        body[4] = 2;
        Assert.False(MessageReader.TryReadUsageHeader(body, out _, out _));
        Assert.False(MessageReader.TryReadUsageHeader(new byte[ProtocolLayout.UsageOfBytes + (65 * ProtocolLayout.WorkerUsageBytes)], out _, out _));
    }

    [Fact]
    public void Pressure_is_read_where_the_kernel_counts_it()
    {
        var folder = Directory.CreateTempSubdirectory("wayang-test-").FullName;
        try
        {
            Assert.Empty(NodePressure.Read(folder));
            File.WriteAllText(Path.Combine(folder, "cpu"), "some avg10=12.50 avg60=1.00 avg300=0.00 total=1500000\nnonsense\nfull avg10=x avg60=0 avg300=0 total=1\n");
            Assert.Equal([new NodePressure("cpu", "some", 0.125, TimeSpan.FromSeconds(1.5))], NodePressure.Read(folder));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
