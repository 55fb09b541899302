using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Text;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Supervision;

namespace Wayang.Fast.Execution.Tests;

/// <summary>A runtime in this process with a real spawner beside it and the test plugin loaded.</summary>
internal sealed class TestNode : IDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static int _instances;

    private readonly ConcurrentQueue<Exception> _defects = new();
    private readonly string? _space;
    private EmbeddedSpawner? _spawner;
    private bool _stopped;

    /// <param name="ledger">Where durable tasks are stored; the caller's.</param>
    /// <param name="bare">Without the test plugin: what the ledger brings is all there is.</param>
    /// <param name="space">Where writable space is made on the disk; null: nowhere.</param>
    public TestNode(RuntimeOptions? options = null, ITaskLedger? ledger = null, bool bare = false, string? space = null)
    {
        _space = space;
        Runtime = new NodeRuntime(options ?? new RuntimeOptions(), new Silence(), _defects.Enqueue, ledger);
        Runtime.Start();
        Runtime.RestoreTasks();
        StartSpawner();
        if (bare)
        {
            return;
        }

        var upload = new ImageUpload("c", File.ReadAllBytes(Installation.TestPlugin), "test", 0);
        var (image, error) = Runtime.Tasks.PutImageAsync(upload, CancellationToken.None).WaitAsync(Patience).GetAwaiter().GetResult();
        Assert.True(image is not null, error?.Message);
    }

    public NodeRuntime Runtime { get; }

    public ITaskService Tasks => Runtime.Tasks;

    public void StartSpawner()
    {
        var instance = $"exec-test-{Environment.ProcessId}-{Interlocked.Increment(ref _instances)}";
        _spawner = _space is null
            ? EmbeddedSpawner.Start(Runtime, Installation.Native, instance)
            : EmbeddedSpawner.StartWithSpace(Runtime, Installation.Native, instance, _space);
    }

    public int SpawnerId => _spawner!.ProcessId;

    public void KillSpawner()
    {
        using var process = System.Diagnostics.Process.GetProcessById(_spawner!.ProcessId);
        process.Kill();
        _spawner.Dispose();
    }

    public CallTarget Resolve(string function, WorkerReuse reuse = WorkerReuse.Tenant)
    {
        var error = Tasks.Resolve(
            new TargetRequest { Kind = TaskKind.Call, Image = "test"u8, Function = Encoding.UTF8.GetBytes(function), Reuse = reuse }, out var target);
        Assert.Null(error);
        return target!;
    }

    public CallTarget ResolveCommand()
    {
        Assert.Null(Tasks.Resolve(new TargetRequest { Kind = TaskKind.Exec }, out var target));
        return target!;
    }

    public Ending Submit(CallTarget target, ReadOnlySpan<byte> data = default, uint timeoutMs = 0, string[]? command = null)
    {
        var ending = new Ending();
        var line = command is null ? null : new CommandLine(command, [], null);
        var error = Tasks.Submit(new TaskSubmission { Target = target, Data = data, Level = 32, TimeoutMs = timeoutMs, Command = line }, ending, 0, out var id);
        Assert.True(error is null, error?.Message);
        ending.Id = id;
        return ending;
    }

    /// <summary>For what nobody announces: looks again until it holds, or fails the test with what it waited for.</summary>
    public static Task UntilAsync(Func<bool> holds, [CallerArgumentExpression(nameof(holds))] string what = "") => UntilAsync(holds, () => what);

    /// <param name="holds">What is waited for.</param>
    /// <param name="describe">How things stand, if it never comes true.</param>
    public static async Task UntilAsync(Func<bool> holds, Func<string> describe)
    {
        var until = Environment.TickCount64 + (long)Patience.TotalMilliseconds;
        while (!holds())
        {
            Assert.True(Environment.TickCount64 < until, Environment.TickCount64 < until ? string.Empty : $"never came true: {describe()}");
            await Task.Delay(1, TestContext.Current.CancellationToken);
        }
    }

    public TaskState StateOf(Ending ending)
    {
        Assert.Null(Tasks.Get(ending.Id, 0, out var snapshot));
        return snapshot!.State;
    }

    public Task RunsAsync(Ending ending) => UntilAsync(() => StateOf(ending) == TaskState.Running, $"{ending.Id} runs");

    /// <summary>What the host gives the runtime; the names are the spawner's features.</summary>
    public bool Has(string feature) => Tasks.DescribeNode().Features.Contains(feature);

    public long Statistic(string name) => Tasks.ReadStatistics().Values[name];

    public void Stop()
    {
        _stopped = true;
        Runtime.Stop();
    }

    public void Dispose()
    {
        if (!_stopped)
        {
            Stop();
        }

        Runtime.Dispose();
        _spawner?.Dispose();
        Assert.Empty(_defects);
    }

    private sealed class Silence : ISupervisorLog
    {
        public void Info(string message)
        {
        }

        public void Warn(string message)
        {
        }
    }
}

/// <summary>The end of one task, copied when it was told; counts how often it was.</summary>
internal sealed class Ending : ITaskObserver
{
    private readonly TaskCompletionSource _told = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _times;

    public TaskId Id { get; set; }

    public TaskState State { get; private set; }

    public TaskCause Cause { get; private set; }

    public byte[] Output { get; private set; } = [];

    public string Stdout { get; private set; } = string.Empty;

    public string Stderr { get; private set; } = string.Empty;

    public bool FromCache { get; private set; }

    public int Times => Volatile.Read(ref _times);

    public bool HasEnded => _told.Task.IsCompleted;

    public async Task<Ending> WaitAsync()
    {
        await _told.Task.WaitAsync(TestNode.Patience);
        return this;
    }

    public void OnTaskEnded(ITaskView task, long token)
    {
        State = task.State;
        Cause = task.Cause;
        Output = task.Output.ToArray();
        Stdout = Encoding.UTF8.GetString(task.Stdout.ToArray());
        Stderr = Encoding.UTF8.GetString(task.Stderr.ToArray());
        FromCache = task.FromCache;
        Interlocked.Increment(ref _times);
        _told.TrySetResult();
    }

    public void OnBatchEnd()
    {
    }
}
