using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.Tests;

/// <summary>
/// The port's double: functions that end at once ("echo"), on a completion thread in batches ("echo_later"), when
/// cancelled ("forever") or with a large output ("fill": data is the size as text). No sandbox, no worker.
/// </summary>
internal sealed class InMemoryTaskService : ITaskService, IDisposable
{
    private const int Capacity = 1 << 16;
    private static readonly string[] s_functions = ["echo", "echo_later", "forever", "fill", "fail", "refuse_later"];

    private readonly Lock _gate = new();
    private int _submissions;
    private readonly EndedTask[] _ring = new EndedTask[4096];
    private readonly EndedTask _inline = new();
    private readonly EndedTask?[] _tasks = new EndedTask?[Capacity];
    private readonly List<(TaskId Id, ITaskObserver Observer, long Token)> _waiters = [];
    private readonly Dictionary<string, ImageDescription> _images = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _queued = new(0);
    private readonly Thread _completion;
    private int _head;
    private int _tail;
    private int _next;
    private bool _stop;

    public InMemoryTaskService()
    {
        for (var i = 0; i < _ring.Length; i++)
        {
            _ring[i] = new EndedTask();
        }

        _completion = new Thread(CompletionLoop) { IsBackground = true, Name = "completion" };
        _completion.Start();
    }

    public int Resolutions { get; private set; }

    /// <summary>Tasks that came so far.</summary>
    public int Submissions => Volatile.Read(ref _submissions);

    /// <summary>Whether somebody waits for the task that came last.</summary>
    public bool LastIsAwaited
    {
        get
        {
            lock (_gate)
            {
                return _waiters.Exists(waiter => waiter.Id.Slot == _next % Capacity);
            }
        }
    }

    /// <summary>Cancels so far.</summary>
    public int Cancels { get; private set; }

    public int Forgotten { get; private set; }

    public int WaiterCount
    {
        get
        {
            lock (_gate)
            {
                return _waiters.Count;
            }
        }
    }

    /// <summary>Of the submission that came last.</summary>
    public TaskTerms? LastTerms { get; private set; }

    /// <summary>Seen by tests of what a request became.</summary>
    public Action<CommandLine?, byte, uint>? OnSubmit { get; set; }

    /// <summary>Runs in each <see cref="Get"/>: lets a cold operation block.</summary>
    public Action? OnGet { get; set; }

    /// <summary>Set when a waiter was withdrawn.</summary>
    public ManualResetEventSlim SomethingForgotten { get; } = new();

    public OperationError? Resolve(in TargetRequest request, out CallTarget? target)
    {
        Resolutions++;
        target = null;
        if (request.Kind == TaskKind.Exec)
        {
            target = new Target(TaskKind.Exec, "exec", request.Tenant);
            return null;
        }

        var function = Encoding.UTF8.GetString(request.Function);
        if (!request.Image.SequenceEqual("demo"u8) || !s_functions.Contains(function, StringComparer.Ordinal))
        {
            return new(ErrorCode.NotFound, "No such image or function.", "function");
        }

        target = new Target(TaskKind.Call, function, request.Tenant);
        return null;
    }

    public OperationError? Submit(in TaskSubmission submission, ITaskObserver? observer, long token, out TaskId id)
    {
        var target = (Target)submission.Target;
        var slot = Interlocked.Increment(ref _next) % Capacity;
        id = TaskId.Create(1, 1, 1, slot);
        OnSubmit?.Invoke(submission.Command, submission.Level, submission.TimeoutMs);
        LastTerms = submission.Terms;
        Interlocked.Increment(ref _submissions);
        switch (target.Function)
        {
            case "echo_later":
                return Later(submission.Data, observer, token, id);
            case "refuse_later": // as of a durable task that could not be stored
                ThreadPool.UnsafeQueueUserWorkItem(
                    static told => told.observer?.OnRefused(told.id, new(ErrorCode.Unavailable, "the disk is full"), told.token), (observer, id, token), preferLocal: false);
                return null;
            case "forever":
                lock (_gate)
                {
                    _tasks[slot] = new EndedTask { Id = id, Kind = TaskKind.Call, State = TaskState.Running };
                    if (observer is not null)
                    {
                        _waiters.Add((id, observer, token));
                    }
                }

                return null;
            case "fill":
                var filled = new EndedTask { Id = id, Kind = TaskKind.Call };
                filled.Fill(int.TryParse(submission.Data, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var bytes) && bytes <= 1 << 20 ? bytes : 0);
                lock (_gate)
                {
                    _tasks[slot] = filled; // to be asked for again
                }

                observer?.OnTaskEnded(filled, token);
                observer?.OnBatchEnd();
                return null;
            default:
                break;
        }

        lock (_gate)
        {
            _inline.Set(id, target.Kind, submission.Data);
            if (observer is null)
            {
                _tasks[slot] = _inline.Copy();
                id = Stored(submission, id);
            }
            else
            {
                observer.OnTaskEnded(_inline, token);
                observer.OnBatchEnd();
            }
        }

        return null;
    }

    public OperationError? Wait(TaskId id, int tenant, ITaskObserver observer, long token)
    {
        EndedTask? task;
        lock (_gate)
        {
            task = _tasks[(uint)id.Slot % Capacity];
            if (task is null || task.Id != id)
            {
                return NotFound();
            }

            if (task.State < TaskState.Succeeded)
            {
                _waiters.Add((id, observer, token));
                return null;
            }
        }

        observer.OnTaskEnded(task, token);
        observer.OnBatchEnd();
        return null;
    }

    public bool Forget(TaskId id, ITaskObserver observer, long token)
    {
        lock (_gate)
        {
            var found = _waiters.Remove((id, observer, token));
            Forgotten += found ? 1 : 0;
            SomethingForgotten.Set();
            return found;
        }
    }

    public OperationError? Cancel(TaskId id, int tenant)
    {
        List<(TaskId Id, ITaskObserver Observer, long Token)> told;
        EndedTask? task;
        lock (_gate)
        {
            task = _tasks[(uint)id.Slot % Capacity];
            if (task is null || task.Id != id)
            {
                return NotFound();
            }

            Cancels++;
            task.State = TaskState.Cancelled;
            task.Cause = new TaskCause(CauseType.Cancelled);
            told = _waiters.FindAll(waiter => waiter.Id == id);
            _waiters.RemoveAll(waiter => waiter.Id == id);
        }

        foreach (var (_, observer, token) in told)
        {
            observer.OnTaskEnded(task, token);
            observer.OnBatchEnd();
        }

        return null;
    }

    public OperationError? Get(TaskId id, int tenant, out TaskSnapshot? snapshot)
    {
        snapshot = null;
        OnGet?.Invoke();
        lock (_gate)
        {
            if (_tasks[(uint)id.Slot % Capacity] is not { } task || task.Id != id)
            {
                return NotFound();
            }

            snapshot = new(id, task.Kind, task.State, task.Cause, 32, tenant, "demo", "echo", DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddSeconds(1),
                1, 2, 3, 4, 5, task.Output.Length, 0, 0);
            return null;
        }
    }

    public OperationError? ReadOutput(TaskId id, int tenant, OutputStream stream, long offset, Span<byte> buffer, out OutputChunk chunk)
    {
        chunk = default;
        lock (_gate)
        {
            if (_tasks[(uint)id.Slot % Capacity] is not { } task || task.Id != id)
            {
                return NotFound();
            }

            var rest = task.Output.ToArray().AsSpan((int)Math.Min(offset, task.Output.Length));
            var count = Math.Min(rest.Length, buffer.Length);
            rest[..count].CopyTo(buffer);
            chunk = new(count, task.Output.Length, 0, Ended: true);
            return null;
        }
    }

    /// <summary>Its tasks' outputs never grow: a watch is never told, which leaves the time that the request waits.</summary>
    public OperationError? WatchOutput(TaskId id, int tenant, OutputStream stream, IStreamObserver observer) =>
        ReadOutput(id, tenant, stream, 0, default, out _);

    public void ForgetOutput(TaskId id, IStreamObserver observer)
    {
        lock (_gate)
        {
            Forgotten++;
            SomethingForgotten.Set();
        }
    }

    public OperationError? ReadArtifact(TaskId id, int tenant, string name, out TaskArtifact? artifact)
    {
        artifact = null;
        return NotFound();
    }

    public async Task<(ImageDescription? Image, OperationError? Error)> PutImageAsync(ImageUpload upload, CancellationToken cancellation)
    {
        await Task.Yield();
        if (!string.Equals(upload.Kind, "c", StringComparison.Ordinal))
        {
            return (null, new(ErrorCode.Unsupported, "Only kind c.", "kind"));
        }

        var hash = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(upload.Data.Span));
        var image = new ImageDescription(hash, upload.Name, upload.Kind, upload.Data.Length, s_functions, "ready");
        lock (_gate)
        {
            _images[hash] = image;
        }

        return (image, null);
    }

    public IReadOnlyList<ImageDescription> ListImages(int tenant)
    {
        lock (_gate)
        {
            return [.. _images.Values];
        }
    }

    public NodeDescription DescribeNode() =>
        new("here", "0.1", DateTimeOffset.UnixEpoch, Root: false, "none", ["calls"], "a double", new Dictionary<string, long>(StringComparer.Ordinal) { ["slots"] = 2 })
        {
            Profiles = [new ProfileDescription("small", HasFiles: true, HasOwnRoot: true, ["call", "exec"])],
        };

    public NodeStatistics ReadStatistics() => new(new Dictionary<string, long>(StringComparer.Ordinal) { ["tasks"] = _next });

    public void Dispose()
    {
        _stop = true;
        _queued.Release();
        _completion.Join();
        _queued.Dispose();
        SomethingForgotten.Dispose();
    }

    private static OperationError NotFound() => new(ErrorCode.NotFound, "No such task.", "task");

    /// <summary>As of a durable task: its receipt tells the id, later.</summary>
    private static TaskId Stored(in TaskSubmission submission, TaskId id)
    {
        if (submission.Receipt is not { } receipt)
        {
            return id;
        }

        ThreadPool.UnsafeQueueUserWorkItem(static told => told.receipt.OnStored(told.id, told.ReceiptToken), (receipt, id, submission.ReceiptToken), preferLocal: false);
        return default;
    }

    private OperationError? Later(ReadOnlySpan<byte> data, ITaskObserver? observer, long token, TaskId id)
    {
        lock (_gate)
        {
            if (_tail - _head == _ring.Length)
            {
                return new(ErrorCode.ResourceExhausted, "The queue is full.", RetryAfterMs: 1);
            }

            var task = _ring[_tail++ % _ring.Length];
            task.Set(id, TaskKind.Call, data);
            task.Observer = observer;
            task.Token = token;
        }

        _queued.Release();
        return null;
    }

    private void CompletionLoop()
    {
        while (true)
        {
            _queued.Wait();
            if (_stop)
            {
                return;
            }

            ITaskObserver? last = null;
            while (true)
            {
                EndedTask task;
                lock (_gate)
                {
                    if (_head == _tail)
                    {
                        break;
                    }

                    task = _ring[_head % _ring.Length];
                }

                if (last is not null && last != task.Observer)
                {
                    last.OnBatchEnd();
                }

                last = task.Observer;
                task.Observer?.OnTaskEnded(task, task.Token);
                lock (_gate)
                {
                    _head++;
                }
            }

            last?.OnBatchEnd();
        }
    }

    private sealed class Target(TaskKind kind, string function, int tenant) : CallTarget
    {
        public override bool IsStale => false;

        public override TaskKind Kind => kind;

        public override int Tenant => tenant;

        public string Function => function;
    }

    private sealed class EndedTask : ITaskView
    {
        private byte[] _data = new byte[64];
        private int _length;

        public TaskId Id { get; set; }

        public TaskKind Kind { get; set; }

        public TaskState State { get; set; } = TaskState.Succeeded;

        public TaskCause Cause { get; set; } = new(CauseType.Exit);

        public ITaskObserver? Observer { get; set; }

        public long Token { get; set; }

        public StreamBytes Output => new(_data.AsSpan(0, _length));

        public StreamBytes Stdout => Kind == TaskKind.Exec ? Output : default;

        public StreamBytes Stderr => default;

        public long StdoutDropped => 0;

        public long StderrDropped => 0;

        public long QueueMicroseconds => 1;

        public long StartMicroseconds => 2;

        public long RunMicroseconds => 300;

        public ulong PeakMemoryBytes => 0;

        public ulong CpuMicroseconds => 0;

        public void Set(TaskId id, TaskKind kind, ReadOnlySpan<byte> data)
        {
            Id = id;
            Kind = kind;
            if (_data.Length < data.Length)
            {
                _data = new byte[data.Length];
            }

            data.CopyTo(_data);
            _length = data.Length;
        }

        public void Fill(int bytes)
        {
            _data = new byte[bytes];
            _data.AsSpan().Fill(0x5A);
            _length = bytes;
        }

        public EndedTask Copy()
        {
            var copy = new EndedTask();
            copy.Set(Id, Kind, _data.AsSpan(0, _length));
            return copy;
        }
    }
}
