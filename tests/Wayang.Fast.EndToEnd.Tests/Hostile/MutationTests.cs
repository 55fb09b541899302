using System.Buffers.Binary;
using System.Globalization;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Hostile;

/// <summary>
/// A worker that writes into its channel what it likes harms nobody but its own call. Together these tests make more than
/// 100,000 mutations; every count comes from the worker, and of what was published only what the daemon consumed counts.
/// </summary>
[Trait("Promise", "IM3")]
[Trait("Promise", "COM3")]
[Trait("Promise", "SX1")]
public sealed class MutationTests(ITestOutputHelper output)
{
    private const int Hostile = 1;
    private const int Innocent = 2;

    [Fact]
    public async Task Mutated_hints_leave_worker_and_node_serving()
    {
        const int calls = 600;
        const int each = 200;
        using var node = new LiveNode();
        var beside = await CheckedLoad.StartAsync(node, Innocent);
        await node.PutAsync("hostile", Plugins.Hostile, Hostile);
        var hints = await node.FunctionAsync("hostile", "hints", Hostile);
        long mutations = 0;
        for (var call = 0; call < calls; call++)
        {
            var end = await node.CallAsync(hints, Order(call, each, 0));
            Assert.True(end.State == TaskState.Succeeded, $"call {call}: {end}");
            mutations += BinaryPrimitives.ReadUInt32LittleEndian(end.Output);
        }

        var right = await beside.StopAsync();
        Assert.Equal((long)calls * each, mutations);
        Assert.True(mutations >= 100_000);
        Assert.True(right > 0);
        output.WriteLine($"{mutations} mutations in {calls} calls, {right} calls of another tenant right");
    }

    [Fact]
    public async Task Published_mutations_end_the_worker_that_made_them_and_nobody_else()
    {
        const int each = 500;
        using var node = new LiveNode();
        var beside = await CheckedLoad.StartAsync(node, Innocent);
        await node.PutAsync("hostile", Plugins.Hostile, Hostile);
        await node.PutAsync("good", Plugins.Good, Hostile);
        var publish = await node.FunctionAsync("hostile", "publish", Hostile);
        var echo = await node.FunctionAsync("good", "echo", Hostile);
        var names = (await node.CallAsync(await node.FunctionAsync("hostile", "lethal_names", Hostile))).Text.TrimEnd('\n').Split('\n');
        Assert.True(names.Length >= 30);
        var lives = Math.Max(names.Length * 6, 200);
        long mutations = 0;
        var startedBefore = node.Statistic("workers_started");
        for (var life = 0; life < lives; life++)
        {
            var name = names[life % names.Length];
            var end = await node.CallAsync(publish, Order(1000 + life, each, (uint)(life % names.Length)), timeoutMs: 60_000);
            Assert.True(end is { State: TaskState.Failed, Cause.Type: CauseType.SandboxViolation }, $"{name}: {end}");
            Assert.StartsWith("channel: ", end.Cause.Detail, StringComparison.Ordinal);
            mutations += Told(end, name) + 1;
            if (life < names.Length)
            {
                output.WriteLine($"{name}: {end.Cause.Detail}");
            }

            var next = await node.CallAsync(echo, [1, 2, 3]);
            Assert.True(next.State == TaskState.Succeeded, next.ToString());
        }

        var right = await beside.StopAsync();
        Assert.True(mutations >= 100_000, $"{mutations} mutations");
        Assert.True(node.Statistic("workers_started") - startedBefore >= lives - 1, "a fresh worker for each that was killed");
        Assert.Equal(lives, node.Statistic("ended_sandboxviolation"));
        Assert.True(right > 0);
        output.WriteLine($"{mutations} mutations in {lives} lives, {right} calls of another tenant right");
    }

    /// <summary>Tickets can be guessed; each worker has its own table, so a guess can only end a call of the same worker.</summary>
    [Fact]
    public async Task Guessed_tickets_answer_no_one()
    {
        using var node = new LiveNode();
        var beside = await CheckedLoad.StartAsync(node, Innocent);
        await node.PutAsync("hostile", Plugins.Hostile, Hostile);
        var guess = await node.FunctionAsync("hostile", "guess", Hostile, reuse: WorkerReuse.Never);
        for (var life = 0; life < 20; life++)
        {
            var end = await node.CallAsync(guess, timeoutMs: 60_000);
            Assert.True(end.State == TaskState.Succeeded, end.ToString());
            Assert.Equal("my own", end.Text);
        }

        Assert.True(node.Statistic("stale_completions") >= 20);
        Assert.True(await beside.StopAsync() > 0);
    }

    [Fact]
    public async Task Impossible_head_ends_its_worker_when_the_space_is_needed()
    {
        using var node = new LiveNode(new Execution.RuntimeOptions { CallConcurrency = 4, MaxWorkersPerPool = 1, SpareWorkers = 0 });
        var beside = await CheckedLoad.StartAsync(node, Innocent);
        await node.PutAsync("hostile", Plugins.Hostile, Hostile);
        var bad = await node.FunctionAsync("hostile", "bad_head", Hostile);
        var names = await node.FunctionAsync("hostile", "lethal_names", Hostile);
        var culprit = node.CallAsync(bad, timeoutMs: 60_000);

        // Inputs that need more of the request arena than is free: the daemon must ask how far the worker has read.
        var large = new byte[300_000];
        var behind = node.CallAsync(names, large, timeoutMs: 60_000);
        var end = await culprit;
        Assert.True(end is { State: TaskState.Failed, Cause.Type: CauseType.SandboxViolation }, end.ToString());
        Assert.NotEqual(TaskState.Succeeded, (await behind).State);
        var after = await node.CallAsync(names);
        Assert.True(after.State == TaskState.Succeeded, after.ToString());
        Assert.True(await beside.StopAsync() > 0);
    }

    internal static byte[] Order(int seed, uint count, uint lethal)
    {
        var order = new byte[16];
        BinaryPrimitives.WriteUInt64LittleEndian(order, (ulong)seed);
        BinaryPrimitives.WriteUInt32LittleEndian(order.AsSpan(8), count);
        BinaryPrimitives.WriteUInt32LittleEndian(order.AsSpan(12), lethal);
        return order;
    }

    private static long Told(EndedTask end, string name)
    {
        var line = end.Err.TrimEnd('\n').Split(' ', 2);
        Assert.Equal(2, line.Length);
        Assert.Equal(name, line[1]);
        return long.Parse(line[0], CultureInfo.InvariantCulture);
    }
}
