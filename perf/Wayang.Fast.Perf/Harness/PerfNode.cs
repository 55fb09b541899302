using System.Runtime.InteropServices;
using System.Text;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution;
using Wayang.Fast.Execution.Supervision;

namespace Wayang.Fast.Perf.Harness;

/// <summary>A real runtime in this process with a real spawner beside it, bound to the far processor with all its workers.</summary>
internal sealed class PerfNode : IDisposable
{
    private const int Tenant = 0;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private static int _instances;

    private readonly EmbeddedSpawner _spawner;

    /// <param name="context">Where the installation is.</param>
    /// <param name="options">Bounds of the runtime.</param>
    /// <param name="pinned">Bind the spawner and the workers to the far processor.</param>
    /// <param name="stage">The folder of the native programs, where it is not the build's own.</param>
    /// <param name="ledger">Where durable tasks are stored; the caller closes it after this.</param>
    public PerfNode(SuiteContext context, RuntimeOptions options, bool pinned, string? stage = null, ITaskLedger? ledger = null)
    {
        Runtime = new NodeRuntime(options, new Told(), static defect => Environment.FailFast("the runtime met a defect", defect), ledger);
        Runtime.Start();
        string[] launcher = pinned ? ["taskset", "-c", context.FarCpu.ToString(System.Globalization.CultureInfo.InvariantCulture)] : [];
        stage ??= Path.Combine(context.Root, "out", "native", "release", "stage");
        var instance = $"perf-{Environment.ProcessId}-{Interlocked.Increment(ref _instances)}";
        _spawner = EmbeddedSpawner.Start(Runtime, stage, instance, launcher);
        var plugin = File.ReadAllBytes(Path.Combine(context.References, "perf_plugin.so"));
        var (image, error) = Runtime.Tasks.PutImageAsync(new ImageUpload("c", plugin, "perf", Tenant), CancellationToken.None)
            .WaitAsync(Patience).GetAwaiter().GetResult();
        if (image is null)
        {
            throw new PerfException($"the perf plugin was refused: {error?.Message}");
        }
    }

    /// <summary>Where the runtime was built with Python.</summary>
    /// <summary>The image's part was built, and the host has the library that it was built for.</summary>
    public static bool HasPython(SuiteContext context) =>
        File.Exists(Path.Combine(context.Root, "out", "native", "release", "stage", "wayang_python.so"))
        && NativeLibrary.TryLoad("libpython3.11.so.1.0", out _);

    public NodeRuntime Runtime { get; }

    /// <summary>A Python module of its own name, and one of its functions.</summary>
    public CallTarget ResolvePython(string code, string function, IReadOnlyList<string> preload, WorkerReuse reuse = WorkerReuse.Tenant)
    {
        var upload = new ImageUpload("python", Encoding.UTF8.GetBytes(code), "perf-python", Tenant) { Preload = preload };
        var (image, error) = Runtime.Tasks.PutImageAsync(upload, CancellationToken.None).WaitAsync(Patience).GetAwaiter().GetResult();
        return image is null
            ? throw new PerfException($"the perf module was refused: {error?.Message}")
            : Resolve(new TargetRequest
            {
                Kind = TaskKind.Call,
                Image = "perf-python"u8,
                Function = Encoding.UTF8.GetBytes(function),
                Tenant = Tenant,
                Reuse = reuse,
            });
    }

    public CallTarget Resolve(string function, WorkerReuse reuse = WorkerReuse.Tenant) => Resolve(new TargetRequest
    {
        Kind = TaskKind.Call,
        Image = "perf"u8,
        Function = Encoding.UTF8.GetBytes(function),
        Tenant = Tenant,
        Reuse = reuse,
    });

    public CallTarget ResolveCommand() => Resolve(new TargetRequest { Kind = TaskKind.Exec, Tenant = Tenant });

    /// <summary>Runs one task to its end; for warming up and for whole-task times.</summary>
    public void RunToEnd(CallTarget target, ReadOnlySpan<byte> data, CommandLine? command = null)
    {
        using var ended = new SingleEnd();
        Submit(target, data, ended, command);
        if (!ended.Wait(Patience))
        {
            throw new PerfException("a task did not end");
        }
    }

    public void Submit(CallTarget target, ReadOnlySpan<byte> data, ITaskObserver observer, CommandLine? command = null)
    {
        var submission = new TaskSubmission { Target = target, Data = data, Level = 32, TimeoutMs = 60_000, Command = command };
        if (Runtime.Tasks.Submit(submission, observer, 0, out _) is { } error)
        {
            throw new PerfException($"a task was refused: {error.Message}");
        }
    }

    public void Dispose()
    {
        Runtime.Stop();
        Runtime.Dispose();
        _spawner.Dispose();
    }

    private CallTarget Resolve(in TargetRequest request) =>
        Runtime.Tasks.Resolve(request, out var target) is { } error ? throw new PerfException($"not resolved: {error.Message}") : target!;

    private sealed class SingleEnd : ITaskObserver, IDisposable
    {
        private readonly ManualResetEventSlim _ended = new(initialState: false, spinCount: 0);
        private string? _failure;

        public bool Wait(TimeSpan patience)
        {
            var ended = _ended.Wait(patience);
            return _failure is null ? ended : throw new PerfException(_failure);
        }

        public void OnTaskEnded(ITaskView task, long token)
        {
            if (task.State != TaskState.Succeeded)
            {
                _failure = $"a task ended {task.State}: {task.Cause}";
            }

            _ended.Set();
        }

        public void OnBatchEnd()
        {
        }

        public void Dispose() => _ended.Dispose();
    }

    private sealed class Told : ISupervisorLog
    {
        public void Info(string message)
        {
        }

        public void Warn(string message) => Console.Error.WriteLine(message);
    }
}
