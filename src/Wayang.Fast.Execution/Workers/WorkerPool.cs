using Wayang.Fast.Core.Ports;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Sizing;
using Wayang.Fast.Execution.Images;

namespace Wayang.Fast.Execution.Workers;

/// <summary>What makes two tasks share a warm worker: image, profile, tenant, limits, grants.</summary>
internal readonly record struct PoolKey(string Image, string Profile, int Tenant, WorkerReuse Reuse)
{
    /// <summary>Of its workers; null: as the node is configured. Tasks of a pool of commands bring their own.</summary>
    public TaskLimits? Limits { get; init; }

    /// <summary>What its workers may do beyond their profile's least; null: nothing. Equal by content.</summary>
    public TaskGrants? Grants { get; init; }
}

/// <summary>
/// The workers of one key. A pool of calls owns worker processes with free indices; a pool of commands only counts how
/// many may run at once. All but the counters belong to the dispatch owner.
/// </summary>
internal sealed class WorkerPool(PoolKey key, Tenant tenant, Image image, int id, int maxWorkers)
{
    private int _startsAs = (int)TaskClass.Normal;

    public PoolKey Key { get; } = key;

    public Tenant Tenant { get; } = tenant;

    /// <summary>For people: the image's short hash and the profile.</summary>
    public string Name { get; } = $"{key.Image[..Math.Min(12, key.Image.Length)]}/{key.Profile}";

    public Image Image { get; } = image;

    /// <summary>What its workers may do beyond their profile's least; null: nothing.</summary>
    public TaskGrants? Grants => Key.Grants;

    /// <summary>Its number in the shard, never used again; what a task's record carries.</summary>
    public int Id { get; } = id;

    /// <summary>The scheduler's id of it; changes when its queue is emptied at once.</summary>
    public int SchedulerId { get; set; } = -1;

    /// <summary>Set anew when the options are replaced.</summary>
    public int MaxWorkers { get; set; } = maxWorkers;

    /// <summary>Its calls ask for their task's id, attempt and deadline.</summary>
    public bool TellsFacts { get; } = image.Kind == Spawner.ImageKind.Python;

    public bool IsCommand => Image.Kind == Spawner.ImageKind.Command;

    /// <summary>Workers that have a free index; the last is taken first (its caches are warm).</summary>
    public List<CallWorker> Available { get; } = [];

    public List<CallWorker> Workers { get; } = [];

    /// <summary>Asked of the supervisor and not yet READY or failed.</summary>
    public int Starting { get; set; }

    /// <summary>What its next workers weigh until their calls say more: as what waited when some were asked for last, and idle as batch, as they have to come up. Written by the dispatch owner; the supervisor reads it.</summary>
    public TaskClass StartsAs
    {
        get => (TaskClass)Volatile.Read(ref _startsAs);
        set => Volatile.Write(ref _startsAs, (int)(value < TaskClass.Batch ? TaskClass.Batch : value));
    }

    /// <summary>Of <see cref="Workers"/>, those that stand still; others may be started in their place.</summary>
    public int FrozenWorkers { get; set; }

    /// <summary>The last search for somebody to freeze that found nobody for it.</summary>
    public int FruitlessSearch { get; set; }

    /// <summary>A start failed since the last tick: no more is asked for before the next one.</summary>
    public bool StartsFailed { get; set; }

    /// <summary>Why, of the last one.</summary>
    public string StartFailure { get; set; } = string.Empty;

    /// <summary>Ticks in a row at which starts had failed and no worker was there.</summary>
    public int FailedRounds { get; set; }

    /// <summary>What it does and did.</summary>
    public PoolLoad Load { get; init; } = new(new HourRhythm());

    /// <summary>It stands in the dispatch owner's list of pools to look at.</summary>
    public bool Dirty { get; set; }

    public bool Closed { get; set; }

    public int LiveWorkers => Workers.Count + Starting;
}

/// <summary>The target that front doors cache: a pool and a function.</summary>
internal sealed class PoolTarget(WorkerPool pool, ushort function, string functionName, NameBindings? names = null, int version = 0) : CallTarget
{
    public WorkerPool Pool { get; } = pool;

    public ushort Function { get; } = function;

    public string FunctionName { get; } = functionName;

    /// <summary>The same function, served by another pool of its image.</summary>
    public PoolTarget In(WorkerPool pool) => new(pool, Function, FunctionName, names, version);

    public override bool IsStale => Pool.Closed || Pool.Image.State == ImageState.Failed || (names is not null && names.Version != version);

    public override TaskKind Kind => Pool.IsCommand ? TaskKind.Exec : TaskKind.Call;

    public override int Tenant => Pool.Key.Tenant;
}
