using System.Globalization;
using System.Text;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Admission;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Core.Scheduling;

namespace Wayang.Fast.Execution.Tests;

/// <summary>
/// Whatever way a task leaves the queue, a wait for memory or its slot: the slot, the tenant's count of running tasks, its quota and the memory
/// come back once.
/// </summary>
[Trait("Promise", "RA2")]
public sealed class TenantStormTests(ITestOutputHelper output)
{
    private const long Mebibyte = 1 << 20;
    private const int Tenants = 3;
    private const int Slots = 4;

    [Fact]
    public async Task After_a_storm_of_cancels_moves_and_pauses_all_slots_quotas_and_memory_are_free()
    {
        var seed = Random.Shared.Next();
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"seed {seed}"));
        var random = new Random(seed);
        using var node = new TestNode(new RuntimeOptions
        {
            MaxConcurrentTasks = Slots, MaxWorkersPerPool = Slots, NodeMemoryBytes = 100 * Mebibyte, WorkerReservedBytes = 40 * Mebibyte,
            Tenants = [.. Enumerable.Range(1, Tenants).Select(static t => new TenantPolicy(t, $"storm-{t}")
            {
                Share = new TenantShare(1 << t, MaxRunning: t == 1 ? 3 : 0), MaxQueued = 10_000, MaxQueuedBytes = Mebibyte,
            })],
        });
        var targets = await TargetsAsync(node);
        var all = new List<(Ending Task, int Tenant)>();
        for (var i = 0; i < 600; i++)
        {
            var tenant = random.Next(1, Tenants + 1);
            all.Add((Submit(node, targets[tenant], random), tenant));
            for (var n = random.Next(3); n > 0; n--)
            {
                await DisturbAsync(node, all[^random.Next(1, Math.Min(60, all.Count) + 1)], random);
            }
        }

        // What was stopped for good goes, what was paused goes on; all of it ends.
        foreach (var (task, tenant) in all)
        {
            if (random.Next(3) == 0)
            {
                node.Tasks.Cancel(task.Id, tenant);
            }

            await node.Runtime.Life.ResumeAsync(task.Id, tenant);
        }

        foreach (var (task, _) in all)
        {
            await task.WaitAsync();
            Assert.Equal(1, task.Times);
        }

        await TestNode.UntilAsync(() => node.Runtime.Monitor.ListTenants(null).All(static t => t is { Running: 0, Queued: 0 } && t.QueuedBytes is null or 0));
        await TestNode.UntilAsync(() => node.Statistic("slots_in_use") == 0);
        Assert.Equal(0, node.Statistic("queue_places_left"));
        await AllSlotsServeAsync(node, targets);
    }

    /// <summary>The pools' slots and the memory, too: as many run at once as at the start.</summary>
    private static async Task AllSlotsServeAsync(TestNode node, Dictionary<int, (CallTarget Call, CallTarget Command)> targets)
    {
        for (var tenant = 2; tenant <= Tenants; tenant++)
        {
            var calls = Enumerable.Range(0, Slots).Select(_ => Put(node, targets[tenant].Call, 30, "", null)).ToList();
            var owner = tenant;
            await TestNode.UntilAsync(() => node.Runtime.Monitor.ListTenants(owner)[0].Running == Slots);
            calls.ForEach(c => Assert.Null(node.Tasks.Cancel(c.Id, owner)));
            calls.ForEach(static c => Assert.True(c.WaitAsync().Wait(TestNode.Patience)));
        }

        var commands = Enumerable.Range(0, 2).Select(_ => Put(node, targets[2].Command, 30, "", ["/bin/sleep", "600"])).ToList();
        await TestNode.UntilAsync(() => commands.TrueForAll(c => StateOf(node, c, 2) == TaskState.Running));
        commands.ForEach(c => Assert.Null(node.Tasks.Cancel(c.Id, 2)));
        foreach (var command in commands)
        {
            await command.WaitAsync();
        }
    }

    private static async Task DisturbAsync(TestNode node, (Ending Task, int Tenant) one, Random random)
    {
        var life = node.Runtime.Life;
        switch (random.Next(6))
        {
            case 0:
                node.Tasks.Cancel(one.Task.Id, one.Tenant);
                break;
            case 1:
                await life.PauseAsync(one.Task.Id, one.Tenant);
                break;
            case 2:
                await life.ResumeAsync(one.Task.Id, one.Tenant);
                break;
            default:
                await life.UpdateAsync(one.Task.Id, one.Tenant, new TaskUpdate((byte)random.Next(56), null));
                break;
        }
    }

    private static Ending Submit(TestNode node, (CallTarget Call, CallTarget Command) target, Random random)
    {
        var level = (byte)random.Next(56);
        return random.Next(4) switch
        {
            0 => Put(node, target.Command, level, "x", ["/bin/sleep", random.Next(8) == 0 ? "0.05" : "0"]),
            1 => Put(node, target.Command, level, "y", ["/no/such/program"]),
            _ => Put(node, target.Call, level, random.Next(1, 6).ToString(CultureInfo.InvariantCulture), null),
        };
    }

    private static Ending Put(TestNode node, CallTarget target, byte level, string data, string[]? command)
    {
        var ending = new Ending();
        var line = command is null ? null : new CommandLine(command, [], null);
        var submission = new TaskSubmission { Target = target, Level = level, Data = Encoding.ASCII.GetBytes(data.Length == 0 && command is null ? "60000" : data), Command = line };
        var error = node.Tasks.Submit(submission, ending, 0, out var id);
        Assert.True(error is null, error?.Message);
        ending.Id = id;
        return ending;
    }

    private static TaskState StateOf(TestNode node, Ending ending, int tenant)
    {
        Assert.Null(node.Tasks.Get(ending.Id, tenant, out var snapshot));
        return snapshot!.State;
    }

    private static async Task<Dictionary<int, (CallTarget Call, CallTarget Command)>> TargetsAsync(TestNode node)
    {
        var targets = new Dictionary<int, (CallTarget, CallTarget)>();
        for (var tenant = 1; tenant <= Tenants; tenant++)
        {
            var upload = new ImageUpload("c", File.ReadAllBytes(Installation.TestPlugin), "test", tenant);
            var (image, error) = await node.Tasks.PutImageAsync(upload, CancellationToken.None).WaitAsync(TestNode.Patience);
            Assert.True(image is not null, error?.Message);
            Assert.Null(node.Tasks.Resolve(new TargetRequest { Kind = TaskKind.Call, Image = "test"u8, Function = "doze"u8, Tenant = tenant }, out var call));
            Assert.Null(node.Tasks.Resolve(new TargetRequest { Kind = TaskKind.Exec, Tenant = tenant }, out var command));
            targets[tenant] = (call!, command!);
        }

        return targets;
    }
}
