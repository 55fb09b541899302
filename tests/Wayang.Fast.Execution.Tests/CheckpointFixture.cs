using System.Globalization;
using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Execution.Tests;

/// <summary>A directory for checkpoints, and nodes that write into it calls which can be written down at any instruction.</summary>
public abstract class CheckpointFixture : IDisposable
{
    /// <summary>A tenth of a second, about.</summary>
    internal const int LongRounds = 12_000_000;

    private protected string CheckpointDirectory { get; } = Path.Combine(Path.GetTempPath(), $"wayang-checkpoints-{Guid.NewGuid():N}");

    public void Dispose()
    {
        GC.SuppressFinalize(this);
        if (Directory.Exists(CheckpointDirectory))
        {
            Directory.Delete(CheckpointDirectory, recursive: true);
        }
    }

    private protected static Task<OperationError?> CheckpointAsync(TestNode node, Ending call) => node.Runtime.Life.CheckpointAsync(call.Id, 0);

    private protected static CallTarget Resolve(TestNode node, string function)
    {
        Assert.Null(node.Tasks.Resolve(
            new TargetRequest { Kind = TaskKind.Call, Image = "chains"u8, Function = Encoding.UTF8.GetBytes(function) }, out var target));
        return target!;
    }

    private protected static Ending Submit(TestNode node, CallTarget target, long rounds) => node.Submit(target, Input(rounds));

    /// <summary>It runs, or has run already: a loaded host may be slower to look than the call is.</summary>
    private protected static Task BeginsAsync(TestNode node, Ending call) => TestNode.UntilAsync(() => call.HasEnded || node.StateOf(call) == TaskState.Running, $"{call.Id} runs");

    private protected static byte[] Input(long rounds) => Encoding.ASCII.GetBytes(rounds.ToString(CultureInfo.InvariantCulture));

    private protected static TaskSnapshot Get(TestNode node, Ending call)
    {
        Assert.Null(node.Tasks.Get(call.Id, 0, out var snapshot));
        return snapshot!;
    }

    private protected static TaskCheckpoint? FileOf(TestNode node, Ending call) => Get(node, call).Life?.Checkpoint;

    private protected static string Describe(TestNode node, Ending call)
    {
        var snapshot = Get(node, call);
        return $"{snapshot.State} {snapshot.Life}";
    }

    /// <summary>Lets a call go on whenever it stands in a file, until it has ended.</summary>
    private protected static async Task EndAsync(TestNode node, Ending call)
    {
        while (!call.HasEnded)
        {
            if (Get(node, call) is { State: TaskState.Queued, Life.Paused: true })
            {
                await node.Runtime.Life.ResumeAsync(call.Id, 0);
            }

            await Task.WhenAny(call.WaitAsync(), Task.Delay(2, TestContext.Current.CancellationToken));
        }
    }

    /// <summary>Nothing is left of what was: no slot, no file but what the directory itself has.</summary>
    private protected async Task AssertCleanAsync(TestNode node)
    {
        await TestNode.UntilAsync(() => node.Statistic("slots_in_use") == 0 && node.Statistic("tasks_queued") == 0);
        await TestNode.UntilAsync(() => !Files().Any(), () => string.Join(' ', Files()));
    }

    private protected IEnumerable<string> Files() => Directory.Exists(CheckpointDirectory)
        ? Directory.GetFiles(CheckpointDirectory).Where(static f => Path.GetFileName(f) is not ("node.key" or "lock"))
        : [];

    private protected async Task<TestNode> StartAsync(RuntimeOptions? options = null, ITaskLedger? ledger = null, bool bare = false)
    {
        var node = new TestNode((options ?? new RuntimeOptions()) with { MigratesCompute = true, CheckpointDirectory = CheckpointDirectory }, ledger, bare);
        if (!bare)
        {
            await PutChainsAsync(node);
        }

        return node;
    }

    private protected static async Task PutChainsAsync(TestNode node)
    {
        var plugin = Path.Combine(Path.GetDirectoryName(Installation.TestPlugin)!, "chain_plugin.so");
        var upload = new ImageUpload("c", await File.ReadAllBytesAsync(plugin, TestContext.Current.CancellationToken), "chains", 0);
        var (image, error) = await node.Tasks.PutImageAsync(upload, CancellationToken.None).WaitAsync(TestNode.Patience);
        Assert.True(image is not null, error?.Message);
    }
}
