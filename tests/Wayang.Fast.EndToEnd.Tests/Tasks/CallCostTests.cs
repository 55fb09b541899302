using System.Diagnostics;
using System.Text;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Wayang.Fast.EndToEnd.Tests.Python;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Tasks;

/// <summary>Processor time of warm calls, against what the calls see of it themselves.</summary>
[Trait("Promise", "TR2")]
[Trait("Promise", "IM3")]
public sealed class CallCostTests
{
    private const string Jobs = """
        import threading, time

        def burns(data):
            until = time.process_time() + float(data)
            while time.process_time() < until:
                pass

        def sleeps(data):
            time.sleep(float(data))

        def burns_beside(data):
            beside = threading.Thread(target=burns, args=(data,))
            beside.start()
            beside.join()

        def fails(data):
            burns(data)
            raise ValueError("after all that")
        """;

    [Fact]
    public async Task Python_calls_are_measured_call_by_call()
    {
        using var node = new PythonNode();
        await node.PutAsync(Jobs);
        for (var round = 0; round < 2; round++) // the second in a warm worker: its earlier calls are not counted
        {
            var burnt = await EndedAsync(node, "burns", "0.2");
            Assert.InRange(burnt.CpuMicroseconds, 200_000ul, 2_000_000ul);
            var slept = await EndedAsync(node, "sleeps", "0.2");
            Assert.InRange(slept.CpuMicroseconds, 1ul, 100_000ul);
        }

        var failed = await node.RunAsync("fails", "0.2");
        Assert.Equal(TaskState.Failed, failed.State);
        Assert.True(failed.CpuMicroseconds >= 200_000, $"{failed.CpuMicroseconds}");
    }

    [Fact]
    public async Task Threads_of_a_call_count()
    {
        using var node = new PythonNode();
        await node.PutAsync(Jobs);
        var end = await EndedAsync(node, "burns_beside", "0.2", "standard");
        Assert.InRange(end.CpuMicroseconds, 190_000ul, 4_000_000ul);
    }

    [Fact]
    public async Task Plugins_are_measured_where_their_image_asks_for_it()
    {
        using var node = new LiveNode();
        await node.PutAsync("plain", Plugins.Good);
        var plain = await node.CallAsync(await node.FunctionAsync("plain", "echo"), "x"u8);
        Assert.Equal(0ul, plain.CpuMicroseconds);

        await PutAsync(node, "good", Plugins.Good, measures: true);
        var doze = await node.FunctionAsync("good", "doze", reuse: WorkerReuse.Never); // of workers that started since
        var started = Stopwatch.GetTimestamp();
        var end = await node.CallAsync(doze, "50"u8);
        Assert.True(end.State == TaskState.Succeeded, end.ToString());
        Assert.InRange(end.CpuMicroseconds, 1ul, (ulong)Stopwatch.GetElapsedTime(started).TotalMicroseconds);
    }

    [Fact]
    public async Task A_hostile_worker_is_believed_no_more_than_the_time_allows()
    {
        using var node = new LiveNode();
        await PutAsync(node, "hostile", Plugins.Hostile, measures: true);
        var function = await node.FunctionAsync("hostile", "false_cost", reuse: WorkerReuse.Never);
        var started = Stopwatch.GetTimestamp();
        var end = await node.CallAsync(function);
        var elapsed = (ulong)Stopwatch.GetElapsedTime(started).TotalMicroseconds;
        Assert.True(end.State == TaskState.Succeeded, end.ToString());
        Assert.InRange(end.CpuMicroseconds, 1ul, elapsed); // `compute` has no second thread
    }

    private static async Task<EndedTask> EndedAsync(PythonNode node, string function, string input, string profile = "compute")
    {
        var end = await node.RunAsync(function, Encoding.UTF8.GetBytes(input), profile);
        Assert.True(end.State == TaskState.Succeeded, $"{function}: {end}");
        return end;
    }

    private static async Task PutAsync(LiveNode node, string name, byte[] plugin, bool measures)
    {
        var upload = new ImageUpload("c", plugin, name, 0) { MeasuresCpu = measures };
        var (image, error) = await node.Tasks.PutImageAsync(upload, TestContext.Current.CancellationToken).WaitAsync(LiveNode.Patience, TestContext.Current.CancellationToken);
        Assert.True(image is not null, error?.Message);
    }
}
