using System.Diagnostics;
using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Admission;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Core.Resources;
using Wayang.Fast.Core.Scheduling;
using Wayang.Fast.Core.Sizing;
using Wayang.Fast.Execution.Commands;
using Wayang.Fast.Execution.Completions;
using Wayang.Fast.Execution.Dispatch;
using Wayang.Fast.Execution.Images;
using Wayang.Fast.Execution.Isolation;
using Wayang.Fast.Execution.Life;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution;

/// <summary>The port's implementation: admission, the task table, and hand-over to the shard.</summary>
internal sealed partial class TaskService(
    LiveOptions options,
    TenantDirectory tenants,
    TaskTable table,
    TaskLifecycle lifecycle,
    AdmissionGate admission,
    Shard shard,
    CompletionThread completion,
    ImageCatalog images,
    NodeReport report,
    LifeService life,
    TaskTypes types,
    HourRhythms rhythms) : ITaskService
{
    private const int FirstSystemLevel = 56;
    private const string DefaultCallProfile = "compute";
    private const string DefaultCommandProfile = "standard";
    private const string GrantedProfile = "network";

    private readonly Lock _poolsLock = new();
    private readonly Dictionary<PoolKey, WorkerPool> _pools = [];
    private IReadOnlyList<WorkerPool> _allPools = [];
    private int _nextPool;
    private long _refusedForTable;
    private long _refusedForStop;
    private long _refusedForDrain;
    private volatile bool _stopping;
    private volatile bool _refusesWork;

    /// <summary>Submissions refused because no record was free, and because the runtime stops.</summary>
    public long RefusedForTable => Volatile.Read(ref _refusedForTable);

    public long RefusedForStop => Volatile.Read(ref _refusedForStop);

    public long RefusedForDrain => Volatile.Read(ref _refusedForDrain);

    /// <summary>The pools of now. Any thread.</summary>
    public IReadOnlyList<WorkerPool> Pools => Volatile.Read(ref _allPools);

    /// <summary>The node is being drained: what is there goes on, and nothing new is taken.</summary>
    public bool RefusesWork
    {
        get => _refusesWork;
        set => _refusesWork = value;
    }

    /// <summary>Refuses new tasks from now on.</summary>
    public void StopAdmission() => _stopping = true;

    public OperationError? Resolve(in TargetRequest request, out CallTarget? target)
    {
        target = null;
        var names = request.Kind == TaskKind.Exec ? images.Commands.Bindings : images.Bindings;
        var version = names.Version; // before any name is looked up
        if (request.Kind == TaskKind.Exec && request.Image.Length > 0 && RefuseCommandImage(request) is { } wrongImage)
        {
            return wrongImage;
        }

        var profile = request.Profile.Length > 0 ? Encoding.UTF8.GetString(request.Profile) : ProfileOf(request);
        if (!IsProfileName(profile))
        {
            return new OperationError(ErrorCode.InvalidArgument, $"'{profile}' is no name of a profile: 1 to 63 of A-Z a-z 0-9 . _ -", "profile");
        }

        if (RefuseProfile(profile, request.Kind) is { } refusal)
        {
            return refusal;
        }

        if (request.Grants is { } grants && (GrantCeiling.Refuse(report.Profiles, profile, grants) ?? GrantCeiling.Refuse(tenants.Of(request.Tenant).Policy, grants)) is { } tooMuch)
        {
            return tooMuch;
        }

        if (request.Kind == TaskKind.Exec)
        {
            if (!images.HasPlaceFor(profile))
            {
                return new OperationError(ErrorCode.Unavailable, "no spawner has answered yet, and many profiles wait for it", "profile", 100);
            }

            var command = images.Command(profile);
            target = GetOrAddPool(command, Key(command, request)) is { } commands
                ? new PoolTarget(commands, 0, string.Empty, request.Image.Length > 0 ? names : null, version)
                : null;
            return target is null ? TooManyGrants() : null;
        }

        if (request.Image.Length == 0 || request.Function.Length == 0)
        {
            return new OperationError(ErrorCode.InvalidArgument, "a call needs image and function", request.Image.Length == 0 ? "image" : "function");
        }

        if (images.Find(request.Tenant, request.Image, profile) is not { } image)
        {
            var text = Encoding.UTF8.GetString(request.Image);
            return images.Commands.ProfileOf(request.Tenant, request.Image) is null
                ? new OperationError(ErrorCode.NotFound, $"no image '{text}'; put it first (image.put) or see image.list", "image")
                : new OperationError(ErrorCode.InvalidArgument, $"'{text}' is an image of kind command, which has no functions: use it with kind exec and argv", "image");
        }

        return ResolveCall(request, image, version, out target);
    }

    private string ProfileOf(in TargetRequest request) => request.Kind == TaskKind.Exec
        ? images.Commands.ProfileOf(request.Tenant, request.Image) ?? (request.Grants is null ? DefaultCommandProfile : GrantedProfile)
        : images.ProfileOf(request.Tenant, request.Image) ?? (request.Grants is null ? DefaultCallProfile : GrantedProfile);

    /// <summary>What is wrong with the image that a command names.</summary>
    private OperationError? RefuseCommandImage(in TargetRequest request)
    {
        var name = Encoding.UTF8.GetString(request.Image);
        if (images.Commands.ProfileOf(request.Tenant, request.Image) is not { } bound)
        {
            if (images.Has(request.Tenant, request.Image))
            {
                return new OperationError(ErrorCode.InvalidArgument, $"'{name}' is an image of functions: use it with kind call and function; a command needs one of kind command, or none", "image");
            }

            var known = images.Commands.Of(request.Tenant).Select(static c => c.Name).ToList();
            var nearest = NearestName.Of(name, known);
            return new OperationError(
                ErrorCode.NotFound,
                $"no image '{name}' of kind command; {(nearest is not null ? $"did you mean {nearest}? " : string.Empty)}{(known.Count > 0 ? $"there are {string.Join(", ", known)}" : "the node's configuration names none (images:)")}",
                "image");
        }

        var asked = Encoding.UTF8.GetString(request.Profile);
        return asked.Length == 0 || asked == bound
            ? null
            : new OperationError(ErrorCode.InvalidArgument, $"image '{name}' runs commands under profile {bound}, and the task asks for {asked}; leave one of them out", "profile");
    }

    public OperationError? Submit(in TaskSubmission submission, ITaskObserver? observer, long token, out TaskId id)
    {
        id = default;
        if (submission.Target is not PoolTarget target)
        {
            return new OperationError(ErrorCode.Internal, "a target of another runtime");
        }

        if ((submission.Terms ?? _defaultTerms) is { } terms)
        {
            return SubmitWithTerms(submission, target, terms, observer, token, out id);
        }

        // An observer on the completion thread: what it submits leaves at the end of its turn, and costs no interlocked operations before.
        var deferring = shard.IsDeferring;
        if (Rent(submission, target, deferring, out var record) is { } refusal)
        {
            return refusal;
        }

        if (deferring)
        {
            id = shard.AdmitInTurn(record!, target.Pool.Id, submission.Level, observer, token);
            return null;
        }

        var slot = record!.Slot;
        id = lifecycle.Admit(record, observer, token, Stopwatch.GetTimestamp());
        shard.Submit(slot, target.Pool.Id, submission.Level, target.Tenant, deferring: false);
        return null;
    }

    /// <summary>Admission, and a record that is filled but no task yet.</summary>
    private OperationError? Rent(in TaskSubmission submission, PoolTarget target, bool deferring, out TaskRecord? record)
    {
        record = null;
        var bytes = BytesOf(submission);
        var quota = target.Pool.Tenant.Gate;
        if (Refuse(submission, target) is { } refusal || (quota is not null && (refusal = Admit(quota, target, bytes)) is not null))
        {
            return refusal;
        }

        if (Admit(bytes, deferring) is { } full)
        {
            quota?.Release(bytes);
            return full;
        }

        if (!(deferring ? table.TryRentOwn(out record) : table.TryRent(out record)))
        {
            admission.Release(bytes);
            quota?.Release(bytes);
            Interlocked.Increment(ref _refusedForTable);
            return new OperationError(ErrorCode.ResourceExhausted, $"the task table is full ({table.MaxTasks})", null, 1000);
        }

        record.Kind = target.Kind;
        record.Pool = target.Pool.Id;
        record.Function = target.Function;
        record.Target = target;
        record.Tenant = target.Tenant;
        record.Level = submission.Level;
        record.TimeoutMs = submission.TimeoutMs == 0 ? options.Current.DefaultTimeoutMs : submission.TimeoutMs;
        if (quota is not null)
        {
            record.Quota = quota; // null since the record's last reset
        }

        if (submission.Command is { } command)
        {
            record.Command = command;
            record.Type = types.Get(new TaskTypeKey(target.Tenant, target.Pool.Key.Profile, Path.GetFileName(command.Arguments[0])));
        }

        record.AdmittedBytes = bytes;
        record.Input.Set(submission.Data);
        return null;
    }

    private static OperationError? Admit(TenantGate quota, PoolTarget target, int bytes)
    {
        var refusal = quota.TryAdmit(bytes);
        if (refusal is not null)
        {
            target.Pool.Tenant.CountRefusal();
        }

        return refusal;
    }

    private OperationError? Admit(int bytes, bool deferring) => deferring ? admission.TryAdmit(bytes, shard.Admissions) : admission.TryAdmit(bytes);

    public OperationError? Wait(TaskId id, int tenant, ITaskObserver observer, long token)
    {
        if (!IsVisible(id, tenant) || (!lifecycle.AddWaiter(id, observer, token, out var ended) && ended is null))
        {
            if (_durable is null)
            {
                return Unknown(id);
            }

            _durable.Wait(id, tenant, observer, token); // told there, also that there is none
            return null;
        }

        if (ended is not null)
        {
            lifecycle.TellEnded(ended, observer, token);
        }

        return null;
    }

    public bool Forget(TaskId id, ITaskObserver observer, long token) => lifecycle.RemoveWaiter(id, observer, token);

    public OperationError? Cancel(TaskId id, int tenant)
    {
        if (!IsVisible(id, tenant))
        {
            return Unknown(id);
        }

        completion.Post(new CompletionCommand(CompletionCommandKind.Cancel, Id: id));
        return null;
    }

    public OperationError? Get(TaskId id, int tenant, out TaskSnapshot? snapshot)
    {
        snapshot = lifecycle.Snapshot(id, tenant, Names);
        if (snapshot?.Limits is { } limits)
        {
            snapshot = snapshot with { LimitsNotEnforced = Unenforced(limits), DiskPlace = DiskPlace(limits) };
        }

        if (snapshot is not null || _durable is null)
        {
            return snapshot is null ? Unknown(id) : null;
        }

        snapshot = _durable.Find(id, tenant, out var refusal)?.ToSnapshot();
        return snapshot is null ? refusal : null;
    }

    public OperationError? ReadOutput(TaskId id, int tenant, OutputStream stream, long offset, Span<byte> buffer, out OutputChunk chunk) =>
        lifecycle.ReadOutput(id, tenant, stream, offset, buffer, out chunk) ? null
        : _durable is null ? Unknown(id) : _durable.ReadOutput(id, tenant, stream, offset, buffer, out chunk);

    public OperationError? WatchOutput(TaskId id, int tenant, OutputStream stream, IStreamObserver observer) =>
        lifecycle.AddWatch(id, tenant, stream, observer) ? null : Unknown(id);

    public void ForgetOutput(TaskId id, IStreamObserver observer) => lifecycle.RemoveWatch(id, observer);

    public OperationError? ReadArtifact(TaskId id, int tenant, string name, out TaskArtifact? artifact) =>
        !lifecycle.FindArtifact(id, tenant, name, out artifact, out var ended) ? Unknown(id)
        : artifact is not null ? null
        : new(ErrorCode.NotFound, ended ? $"the task left no artifact '{name}'; task.get lists them" : "artifacts are there once the task has ended", "name");

    public Task<(ImageDescription? Image, OperationError? Error)> PutImageAsync(ImageUpload upload, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(upload);
        if (upload.Kind == ImageCatalog.CommandKind)
        {
            var profile = upload.Profile ?? DefaultCommandProfile;
            return RefuseProfile(profile, TaskKind.Exec) is { } refusal
                ? Task.FromResult<(ImageDescription?, OperationError?)>((null, refusal))
                : PutCommandAsync(upload, profile, cancellation);
        }

        return images.PutAsync(upload, upload.Profile ?? DefaultCallProfile, cancellation);
    }

    /// <summary>The spawner may refuse the profile after it was asked for the image: then that is the reason, not that there is no such profile.</summary>
    private async Task<(ImageDescription? Image, OperationError? Error)> PutCommandAsync(ImageUpload upload, string profile, CancellationToken cancellation)
    {
        var put = await images.PutCommandAsync(upload, profile, cancellation).ConfigureAwait(false);
        return put.Image is null && RefusedBySpawner(profile) is { } why ? (null, why) : put;
    }

    private OperationError? RefuseProfile(string profile, TaskKind kind) =>
        RefusedBySpawner(profile) ?? PolicyProfiles.Refuse(report.Profiles, profile, kind);

    private OperationError? RefusedBySpawner(string profile) => report.Welcome?.RefusedProfiles.GetValueOrDefault(profile) is { } why
        ? new OperationError(ErrorCode.InvalidArgument, why, "profile")
        : null;

    public IReadOnlyList<ImageDescription> ListImages(int tenant) => images.List(tenant);

    public NodeDescription DescribeNode() => report.Describe();

    public NodeStatistics ReadStatistics() => report.Read();

    private static bool IsProfileName(string name) =>
        name.Length is >= 1 and <= 63 && name[0] != '.' && name.All(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-');

    internal static void Names(CallTarget? target, ushort function, out string image, out string name)
    {
        var pool = target as PoolTarget;
        image = pool?.Pool.Image.Hash ?? string.Empty;
        name = pool?.FunctionName ?? string.Empty;
    }

    internal static OperationError Unknown(TaskId id) =>
        new(ErrorCode.NotFound, $"no task {id}: never seen, of an earlier start of the node, or forgotten (see retention)", "task");

    private bool IsVisible(TaskId id, int tenant) => table.Find(id) is { } record && record.Tenant == tenant;

    private OperationError? Refuse(in TaskSubmission submission, PoolTarget target)
    {
        if (_stopping)
        {
            Interlocked.Increment(ref _refusedForStop);
            return new OperationError(ErrorCode.Unavailable, "the runtime is stopping", null, 1000);
        }

        if (_refusesWork)
        {
            Interlocked.Increment(ref _refusedForDrain);
            return new OperationError(ErrorCode.Unavailable, "this node is being drained and takes no new tasks: submit at another one, or end that ('wayang drain --undo')", null, 1000);
        }

        if (submission.Level > target.Pool.Tenant.HighestLevel)
        {
            return RefuseLevel(submission.Level, target.Pool.Tenant);
        }

        if (submission.TimeoutMs > options.Current.MaxTimeoutMs)
        {
            return RefuseTimeout(submission.TimeoutMs, options.Current.MaxTimeoutMs);
        }

        if (target.Pool.IsCommand)
        {
            return submission.Command is { } command
                ? CommandArguments.Validate(command)
                : new OperationError(ErrorCode.InvalidArgument, "a task of kind exec needs argv", "argv");
        }

        return null;
    }

    internal static OperationError RefuseLevel(byte level, Tenant tenant)
    {
        tenant.CountRefusal();
        return level >= FirstSystemLevel
            ? new OperationError(ErrorCode.PermissionDenied, "the class system is the runtime's own; use urgent, normal, batch or idle", "class")
            : new OperationError(
                ErrorCode.PermissionDenied,
                $"tenant '{tenant.Policy.Name}' may use the classes up to {WireNames.Text(tenant.Policy.HighestClass)}, not {WireNames.Text(SchedulerOptions.ClassOf(level))} (highest_class of its entry in the configuration)", "class");
    }

    private OperationError? ResolveCall(in TargetRequest request, Image image, int version, out CallTarget? target)
    {
        target = null;
        if (!image.Opened.Task.IsCompleted)
        {
            return new OperationError(ErrorCode.Unavailable, $"the image is being loaded under profile {image.Profile}", "profile", 50);
        }

        if (image.State == ImageState.Failed)
        {
            return new OperationError(ErrorCode.ImageFailed, image.Failure ?? "the image failed", "image");
        }

        var function = Encoding.UTF8.GetString(request.Function);
        var index = Array.IndexOf(image.Functions, function);
        if (index < 0)
        {
            return new OperationError(ErrorCode.NotFound, $"the image has no function '{function}'; {Hint(function, image.Functions)}", "function");
        }

        target = GetOrAddPool(image, Key(image, request)) is { } pool ? new PoolTarget(pool, (ushort)index, function, images.Bindings, version) : null;
        return target is null ? TooManyGrants() : null;
    }

    private static string Hint(string function, string[] functions)
    {
        const int shown = 20;
        var nearest = NearestName.Of(function, functions);
        var all = string.Join(", ", functions.Take(shown)) + (functions.Length > shown ? ", ..." : "");
        return nearest is null ? $"it has {all}" : $"did you mean {nearest}? It has {all}";
    }

    private static PoolKey Key(Image image, in TargetRequest request) => new(image.Hash, image.Profile, request.Tenant, request.Reuse) { Grants = request.Grants };

    /// <summary>Null: there are too many pools with limits already.</summary>
    private WorkerPool? GetOrAddPool(Image image, in PoolKey key)
    {
        lock (_poolsLock)
        {
            if (!_pools.TryGetValue(key, out var pool) || pool.Closed || pool.Image != image)
            {
                if (pool is null && !HasPlaceFor(key))
                {
                    return null;
                }

                pool = new WorkerPool(key, tenants.Of(key.Tenant), image, _nextPool++, options.Current.MaxWorkersPerPool) { Load = new PoolLoad(RhythmOf(key)) };
                _pools[key] = pool;
                Volatile.Write(ref _allPools, [.. _pools.Values]);
                image.Pools.Add(pool);

                // In the shard's queue of events before any task of the pool can be in its inbox.
                shard.Post(new ShardEvent(ShardEventKind.PoolOpened, Pool: pool));
            }

            return pool;
        }
    }

    /// <summary>Pools of a task's own limits or grants come and go: what is learned of them is not kept.</summary>
    private HourRhythm RhythmOf(PoolKey key) =>
        key is { Limits: null, Grants: null, Reuse: not WorkerReuse.Never } ? rhythms.Get(new RhythmKey(key.Tenant, key.Image, key.Profile)) : new HourRhythm();
}
