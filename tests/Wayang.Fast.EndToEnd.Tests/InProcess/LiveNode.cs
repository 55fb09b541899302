using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution;
using Wayang.Fast.Execution.Supervision;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.InProcess;

/// <summary>
/// The real runtime in the test's process with a real spawner beside it: sandboxed workers, no socket in between.
/// Disposing checks that the runtime met no defect.
/// </summary>
internal sealed class LiveNode : IDisposable
{
    /// <summary>Far beyond everything that is waited for, on a machine that does much else.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    public const byte Normal = 32;
    private static int _instances;

    private readonly NodeRuntime _runtime;
    private readonly EmbeddedSpawner _spawner;
    private readonly ConcurrentQueue<string> _warnings = new();
    private Exception? _defect;

    /// <param name="options">Bounds; null: the defaults.</param>
    /// <param name="stage">The folder of the native programs, where it is not the build's own.</param>
    public LiveNode(RuntimeOptions? options = null, string? stage = null)
    {
        _runtime = new NodeRuntime(options ?? new RuntimeOptions(), new Log(_warnings), defect => _defect = defect);
        _runtime.Start();
        var instance = string.Create(CultureInfo.InvariantCulture, $"test-{Environment.ProcessId}-{Interlocked.Increment(ref _instances)}");
        _spawner = EmbeddedSpawner.Start(_runtime, stage ?? Plugins.Stage, instance);
    }

    public ITaskService Tasks => _runtime.Tasks;

    public ITaskLife Life => _runtime.Life;

    public INodeMonitor Monitor => _runtime.Monitor;

    public int SpawnerPid => _spawner.ProcessId;

    public Exception? Defect => _defect;

    public string Warnings => string.Join('\n', _warnings);

    /// <summary>Without a memory group the limit is that of each process, which then sees an allocation fail.</summary>
    public bool HasMemoryGroup => Tasks.DescribeNode().Features.Contains("MemoryGroup");

    public long Statistic(string name) => Tasks.ReadStatistics().Values.GetValueOrDefault(name);

    /// <summary>Host pids of the call workers that live now.</summary>
    public IReadOnlyList<int> WorkerPids() =>
        [.. Tasks.ReadStatistics().Values.Where(static v => v.Key.StartsWith("worker_pid_", StringComparison.Ordinal)).Select(static v => (int)v.Value)];

    public async Task PutAsync(string name, byte[] plugin, int tenant = 0)
    {
        var (image, error) = await Tasks.PutImageAsync(new ImageUpload("c", plugin, name, tenant), CancellationToken.None).WaitAsync(Patience);
        Assert.True(image is not null, error?.Message);
    }

    /// <summary>Resolves a function; while its image is being loaded under the profile, as often as the node asks to retry.</summary>
    public async Task<CallTarget> FunctionAsync(
        string image, string function, int tenant = 0, string profile = "compute", WorkerReuse reuse = WorkerReuse.Tenant)
    {
        using var patience = new CancellationTokenSource(Patience);
        while (true)
        {
            var error = Tasks.Resolve(
                new TargetRequest
                {
                    Kind = TaskKind.Call,
                    Image = Encoding.UTF8.GetBytes(image),
                    Function = Encoding.UTF8.GetBytes(function),
                    Profile = Encoding.UTF8.GetBytes(profile),
                    Tenant = tenant,
                    Reuse = reuse,
                },
                out var target);
            if (error is null)
            {
                return target!;
            }

            Assert.True(error.Code == ErrorCode.Unavailable, error.Message);
            await Task.Delay(error.RetryAfterMs ?? 1, patience.Token);
        }
    }

    public CallTarget Command(int tenant = 0)
    {
        Assert.Null(Tasks.Resolve(new TargetRequest { Kind = TaskKind.Exec, Tenant = tenant }, out var target));
        return target!;
    }

    public Task<EndedTask> CallAsync(CallTarget target, ReadOnlySpan<byte> data = default, uint timeoutMs = 0, byte level = Normal)
    {
        Begin(target, data, out var waiter, timeoutMs, level);
        return waiter.Ended.WaitAsync(Patience);
    }

    public Task<EndedTask> ExecAsync(IReadOnlyList<string> arguments, ReadOnlySpan<byte> stdin = default, uint timeoutMs = 0) =>
        ExecAsync(new CommandLine(arguments, [], WorkingDirectory: null), stdin, timeoutMs);

    public Task<EndedTask> ExecAsync(CommandLine command, ReadOnlySpan<byte> stdin = default, uint timeoutMs = 0)
    {
        Begin(Command(), stdin, out var waiter, timeoutMs, Normal, command);
        return waiter.Ended.WaitAsync(Patience);
    }

    public Task<EndedTask> ShellAsync(string script, ReadOnlySpan<byte> stdin = default, uint timeoutMs = 0) =>
        ExecAsync(["/bin/sh", "-c", script], stdin, timeoutMs);

    public TaskId Begin(
        CallTarget target, ReadOnlySpan<byte> data, out EndWaiter waiter, uint timeoutMs = 0, byte level = Normal, CommandLine? command = null)
    {
        waiter = new EndWaiter();
        var submission = new TaskSubmission { Target = target, Data = data, Level = level, TimeoutMs = timeoutMs, Command = command };
        var error = Tasks.Submit(submission, waiter, 0, out var id);
        Assert.True(error is null, error?.Message);
        return id;
    }

    public TaskState StateOf(TaskId id, int tenant = 0)
    {
        Assert.Null(Tasks.Get(id, tenant, out var snapshot));
        return snapshot!.State;
    }

    public void Cancel(TaskId id, int tenant = 0) => Assert.Null(Tasks.Cancel(id, tenant));

    /// <summary>What a task has written so far, from the start of a stream.</summary>
    public string ReadSoFar(TaskId id, OutputStream stream, int tenant = 0)
    {
        var buffer = new byte[4096];
        Assert.Null(Tasks.ReadOutput(id, tenant, stream, 0, buffer, out var chunk));
        return Encoding.UTF8.GetString(buffer, 0, chunk.Count);
    }

    /// <summary>Until a fact holds that nobody announces. Looks again at once, and gives the processor away in between.</summary>
    public static async Task UntilAsync(Func<bool> holds, string what)
    {
        var until = Environment.TickCount64 + (long)Patience.TotalMilliseconds;
        while (!holds())
        {
            Assert.True(Environment.TickCount64 < until, $"never came true: {what}");
            await Task.Delay(1);
        }
    }

    public void Dispose()
    {
        _runtime.Stop();
        _runtime.Dispose();
        _spawner.Dispose();
        Assert.Null(_defect);
    }

    private sealed class Log(ConcurrentQueue<string> warnings) : ISupervisorLog
    {
        public void Info(string message)
        {
        }

        public void Warn(string message) => warnings.Enqueue(message);
    }
}
