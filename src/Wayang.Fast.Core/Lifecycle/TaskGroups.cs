using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Core.Lifecycle;

/// <summary>A tenant's tasks under one name. All of it is guarded by the lock of <see cref="TaskGroups"/>.</summary>
public sealed class TaskGroup
{
    internal TaskGroup(int tenant, string name) => (Tenant, Name) = (tenant, name);

    public int Tenant { get; }

    public string Name { get; }

    internal HashSet<TaskId> Live { get; } = [];

    /// <summary>Members that were promised a place and have no id yet.</summary>
    internal int Joining { get; set; }

    internal long[] Ended { get; } = new long[Enum.GetValues<TaskState>().Length];

    /// <summary>Timestamp of when the last member ended.</summary>
    internal long EmptySince { get; set; }

    internal TaskCompletionSource? Emptied { get; set; }

    internal bool IsEmpty => Live.Count == 0 && Joining == 0;
}

/// <summary>
/// The node's groups by tenant and name. A group begins with its first task and is remembered for a while after its last one ended;
/// its number is bounded. Any thread; one lock, held for a few operations on a hash table.
/// </summary>
public sealed class TaskGroups(int maxGroups, TimeSpan remembered, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(int Tenant, string Name), TaskGroup> _groups = [];

    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _groups.Count;
            }
        }
    }

    /// <summary>Promises a task a place in a group. <see cref="Add"/> or <see cref="Withdraw"/> follows.</summary>
    public OperationError? TryJoin(int tenant, string name, out TaskGroup? group)
    {
        lock (_lock)
        {
            if (!TryFind(tenant, name, out group))
            {
                if (_groups.Count >= maxGroups && !ForgetEmpty())
                {
                    return new OperationError(ErrorCode.ResourceExhausted, $"{maxGroups} groups have tasks: the bound life.groups", "group", 1000);
                }

                group = new TaskGroup(tenant, name);
                _groups.Add((tenant, name), group);
            }

            group!.Joining++;
            return null;
        }
    }

    public void Add(TaskGroup group, TaskId id)
    {
        ArgumentNullException.ThrowIfNull(group);
        lock (_lock)
        {
            group.Joining--;
            group.Live.Add(id);
        }
    }

    /// <summary>The task was not admitted after all.</summary>
    public void Withdraw(TaskGroup group)
    {
        ArgumentNullException.ThrowIfNull(group);
        lock (_lock)
        {
            group.Joining--;
            TellIfEmpty(group);
        }
    }

    /// <summary>A member ended.</summary>
    public void Leave(TaskGroup group, TaskId id, TaskState state)
    {
        ArgumentNullException.ThrowIfNull(group);
        lock (_lock)
        {
            if (group.Live.Remove(id))
            {
                group.Ended[(int)state]++;
                TellIfEmpty(group);
            }
        }
    }

    /// <summary>The members that have not ended, and how many ended in which state. False: no such group.</summary>
    public bool TryGet(int tenant, string name, out TaskId[] live, out long[] ended)
    {
        lock (_lock)
        {
            var found = TryFind(tenant, name, out var group);
            live = found ? [.. group!.Live] : [];
            ended = found ? [.. group!.Ended] : [];
            return found;
        }
    }

    /// <summary>A tenant's groups behind a name, in the order of names.</summary>
    public IReadOnlyList<GroupSummary> List(int tenant, string? after, int limit, out bool more)
    {
        lock (_lock)
        {
            List<TaskGroup> found =
            [
                .. _groups.Values.Where(g => g.Tenant == tenant && !IsOver(g) && (after is null || string.CompareOrdinal(g.Name, after) > 0))
                    .OrderBy(static g => g.Name, StringComparer.Ordinal).Take(limit + 1),
            ];
            more = found.Count > limit;
            return [.. found.Take(limit).Select(Summary)];
        }
    }

    /// <summary>False: no such group.</summary>
    /// <param name="empty">Completes when no member is left that has not ended.</param>
    public bool TryAwaitEmpty(int tenant, string name, out Task empty)
    {
        empty = Task.CompletedTask;
        lock (_lock)
        {
            if (!TryFind(tenant, name, out var group))
            {
                return false;
            }

            if (!group!.IsEmpty)
            {
                empty = (group.Emptied ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }

            return true;
        }
    }

    private static GroupSummary Summary(TaskGroup group)
    {
        var ended = new SortedDictionary<TaskState, long>();
        for (var state = TaskState.Succeeded; (int)state < group.Ended.Length; state++)
        {
            if (group.Ended[(int)state] > 0)
            {
                ended[state] = group.Ended[(int)state];
            }
        }

        return new GroupSummary(group.Name, group.Live.Count, ended);
    }

    private bool TryFind(int tenant, string name, out TaskGroup? group)
    {
        if (_groups.TryGetValue((tenant, name), out group) && IsOver(group))
        {
            _groups.Remove((tenant, name));
            group = null;
        }

        return group is not null;
    }

    private bool IsOver(TaskGroup group) => group.IsEmpty && time.GetElapsedTime(group.EmptySince) > remembered;

    /// <summary>Room for another: what is over, else the one that has been empty longest.</summary>
    private bool ForgetEmpty()
    {
        var empty = _groups.Values.Where(static g => g.IsEmpty).ToList();
        var over = empty.Where(IsOver).ToList();
        if (over.Count == 0 && empty.MinBy(static g => g.EmptySince) is { } oldest)
        {
            over.Add(oldest);
        }

        over.ForEach(g => _groups.Remove((g.Tenant, g.Name)));
        return over.Count > 0;
    }

    private void TellIfEmpty(TaskGroup group)
    {
        if (group.IsEmpty)
        {
            group.EmptySince = time.GetTimestamp();
            group.Emptied?.TrySetResult();
            group.Emptied = null;
        }
    }
}
