using System.Globalization;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Host.Top;

/// <summary>
/// The picture of a sample as lines: pure. The node, tasks and classes always stand there; pools, workers and tasks share what
/// is left of the height.
/// </summary>
internal static class TopView
{
    private const int LeastPart = 2;

    /// <param name="height">Lines at most; <see cref="int.MaxValue"/>: all there is.</param>
    /// <param name="before">An earlier sample, for the rates.</param>
    public static List<string> Draw(TopSample now, TopSample? before, TopOrder order, bool reverse, int width, int height)
    {
        List<string> lines = [.. Head(now, before), string.Empty, .. Classes(now)];
        var pools = Pools(now);
        var workers = Workers(now, before);
        var tasks = Tasks(now, order, reverse);
        var room = height == int.MaxValue ? int.MaxValue : Math.Max(0, height - lines.Count);
        List<List<string>> parts = now.Tenants.Count > 1 ? [pools, Tenants(now, before), tasks, workers] : [pools, tasks, workers];
        foreach (var part in Share(parts, room))
        {
            lines.AddRange(part);
        }

        if (lines.Count > height)
        {
            lines.RemoveRange(height, lines.Count - height);
        }

        return lines.ConvertAll(line => line.Length <= width ? line : line[..width]);
    }

    /// <summary>A line for who reads lines.</summary>
    public static string Line(TopSample now, TopSample? before) => string.Create(
        CultureInfo.InvariantCulture,
        $"{now.At:HH:mm:ss} queued={now.Value("tasks_queued")} running={now.Busy} ended={now.Ended} ends_per_s={now.Rate(before, static s => s.Ended):F1} workers={now.Value("workers_live")} queue_normal_p99_us={now.Value("queue_normal_p99_us")} heals={now.Value("incidents_heal")}");

    private static IEnumerable<string> Head(TopSample now, TopSample? before)
    {
        var rate = now.Rate(before, static s => s.Ended);
        var up = TimeSpan.FromSeconds(now.Value("uptime_s"));
        yield return string.Create(CultureInfo.InvariantCulture, $"wayang top - {now.Node.Node} {now.Node.Version}, up {Span(up)}, {(now.Node.Root ? "root" : "unprivileged")}, cgroups {now.Node.CgroupMode}  {now.At:HH:mm:ss}");
        yield return string.Create(
            CultureInfo.InvariantCulture,
            $"tasks     {now.Value("tasks_queued"):#,0} queued, {now.Busy:#,0} running, {now.Ended:#,0} ended ({rate:#,0.0}/s): {now.Value("tasks_succeeded"):#,0} succeeded, {now.Value("tasks_failed"):#,0} failed, {now.Value("tasks_cancelled"):#,0} cancelled, {now.Value("tasks_timedout"):#,0} timed out");
        yield return string.Create(
            CultureInfo.InvariantCulture,
            $"workers   {now.Value("workers_live"):#,0} live, {now.Value("workers_started"):#,0} started, {now.Value("worker_start_failures"):#,0} starts failed, {now.Value("commands_running"):#,0} commands running");
        yield return string.Create(
            CultureInfo.InvariantCulture,
            $"memory    {now.Value("workers_memory_bytes") / 1048576.0:F1} MiB of workers, {now.Value("commands_memory_bytes") / 1048576.0:F1} MiB of commands; the host waited of the last 10 s for cpu {now.Value("pressure_cpu_some_permille") / 10.0:F1} %, memory {now.Value("pressure_memory_some_permille") / 10.0:F1} %, io {now.Value("pressure_io_some_permille") / 10.0:F1} %");
        yield return string.Create(
            CultureInfo.InvariantCulture,
            $"daemon    {now.Value("managed_bytes") / 1048576.0:F1} MiB managed, gc pauses {now.Value("gc_pause_total_us") / 1000.0:F1} ms in all; healed {now.Value("incidents_heal")}, stalls {now.Value("incidents_thread_stalled")}, workers given up {now.Value("incidents_worker_unresponsive")}, spawners lost {now.Value("spawners_lost")}");
        if (Moves(now) is { Length: > 0 } moves)
        {
            yield return moves;
        }

        if (now.Incidents.Count > 0 && now.At - now.Incidents[0].At < TimeSpan.FromMinutes(5))
        {
            var last = now.Incidents[0];
            yield return string.Create(CultureInfo.InvariantCulture, $"incident  {last.At.ToLocalTime():HH:mm:ss} {last.Kind}: {last.Reason}");
        }
    }

    /// <summary>Calls between nodes, of the tasks that were asked for; nothing where there are none.</summary>
    private static string Moves(TopSample now)
    {
        var away = now.Tasks.Where(static t => t is { State: < TaskState.Succeeded, Life.Moves.Node: not null }).ToList();
        var visits = now.Tasks.Count(static t => t.Life?.Home is not null);
        var last = now.Tasks.Select(static t => t.Life?.Moves).Where(static m => m is not null).MaxBy(static m => m!.At);
        return away.Count + visits == 0 && last is null ? string.Empty : string.Create(
            CultureInfo.InvariantCulture,
            $"moves     {away.Count:#,0} calls at peers{(away.Count == 0 ? "" : $" ({string.Join(", ", away.GroupBy(static t => t.Life!.Moves!.Node, StringComparer.Ordinal).OrderBy(static g => g.Key, StringComparer.Ordinal).Select(static g => string.Create(CultureInfo.InvariantCulture, $"{g.Count()} at {g.Key}")))})")}, {visits:#,0} of other nodes here{(last is null ? "" : $"; the last to move stood still for {Span(last.Pause)} ({last.Bytes / 1024.0:#,0} KiB)")}");
    }

    private static IEnumerable<string> Classes(TopSample now)
    {
        yield return $"{"CLASS",-8}{"QUEUED",10}{"WAIT p50",11}{"p99",11}{"max",11}{"RUN p50",11}{"p99",11}{"max",11}";
        foreach (var taskClass in Enum.GetValues<TaskClass>().Reverse().Where(static c => c != TaskClass.System))
        {
            var name = WireNames.Text(taskClass);
            yield return string.Create(CultureInfo.InvariantCulture, $"{name,-8}{now.Value($"queued_{name}"),10:#,0}{Time(now, $"queue_{name}_p50_us"),11}{Time(now, $"queue_{name}_p99_us"),11}{Time(now, $"queue_{name}_max_us"),11}{Time(now, $"run_{name}_p50_us"),11}{Time(now, $"run_{name}_p99_us"),11}{Time(now, $"run_{name}_max_us"),11}");
        }
    }

    private static List<string> Pools(TopSample now) =>
    [
        $"{"POOL",-28}{"KIND",-9}{"STATE",-9}{"QUEUED",8}{"BUSY",6}{"WORKERS",9}{"WANTED",8}{"MAX",6}{"STARTING",10}{"RECYCLED",10}",
        .. now.Pools.OrderByDescending(static p => p.Queued).ThenByDescending(static p => p.Busy).Select(static p => string.Create(
            CultureInfo.InvariantCulture, $"{Pool(p.Image, p.Profile, p.Reuse),-28}{p.Kind,-9}{p.State,-9}{p.Queued,8:#,0}{p.Busy,6}{p.Workers,9}{p.Wanted,8}{p.MaxWorkers,6}{p.Starting,10}{p.Recycled,10}")),
    ];

    /// <summary>What each had of the slots since the sample before, beside its weight.</summary>
    private static List<string> Tenants(TopSample now, TopSample? before)
    {
        var earlier = before?.Tenants.ToDictionary(static t => t.Id, static t => t.SlotMicroseconds) ?? [];
        var had = now.Tenants.ToDictionary(static t => t.Id, t => t.SlotMicroseconds - earlier.GetValueOrDefault(t.Id));
        var all = Math.Max(1, had.Values.Sum());
        return
        [
            $"{"TENANT",-28}{"WEIGHT",7}{"SHARE",8}{"RUNNING",9}{"MAX",6}{"QUEUED",9}{"FINISHED",12}{"REFUSED",9}",
            .. now.Tenants.OrderByDescending(t => had[t.Id]).ThenBy(static t => t.Id).Select(t => string.Create(
                CultureInfo.InvariantCulture,
                $"{t.Name[..Math.Min(27, t.Name.Length)],-28}{t.Weight,7}{100.0 * had[t.Id] / all,6:0.0} %{t.Running,9}{(t.MaxRunning == 0 ? "-" : t.MaxRunning.ToString(CultureInfo.InvariantCulture)),6}{t.Queued,9:#,0}{t.Finished,12:#,0}{t.Refused,9:#,0}")),
        ];
    }

    private static List<string> Workers(TopSample now, TopSample? before)
    {
        var earlier = before?.Workers.ToDictionary(static w => w.Worker);
        var seconds = before is null ? 0 : System.Diagnostics.Stopwatch.GetElapsedTime(before.Taken, now.Taken).TotalSeconds;
        return
        [
            $"{"WORKER",-10}{"STATE",-10}{"FLIGHT",7}{"CALLS",12}{"CALLS/s",11}{"AGE",10}{"IDLE",10}  POOL",
            .. now.Workers.Select(w =>
            {
                var calls = seconds > 0 && earlier!.TryGetValue(w.Worker, out var was) ? (w.Calls - was.Calls) / seconds : 0;
                return string.Create(CultureInfo.InvariantCulture, $"{w.ProcessId,-10}{w.State,-10}{w.InFlight,7}{w.Calls,12:#,0}{calls,11:#,0.0}{Span(w.Age),10}{(w.Idle == TimeSpan.Zero ? "" : Span(w.Idle)),10}  {Pool(w.Image, w.Profile, w.Reuse)}");
            }),
        ];
    }

    private static List<string> Tasks(TopSample now, TopOrder order, bool reverse)
    {
        IEnumerable<TaskInfo> tasks = order switch
        {
            TopOrder.Class => now.Tasks.OrderByDescending(static t => t.Priority).ThenByDescending(For),
            TopOrder.Name => now.Tasks.OrderBy(Name, StringComparer.Ordinal).ThenByDescending(For),
            _ => now.Tasks.OrderByDescending(static t => t.State == TaskState.Running).ThenByDescending(For),
        };
        return
        [
            $"{"TASK",-28}{"CLASS",-8}{"STATE",-10}{"FOR",10}  WHAT ({(reverse ? "reversed " : "")}by {order.ToString().ToLowerInvariant()})",
            .. (reverse ? tasks.Reverse() : tasks).Select(static t =>
                $"{t.Id,-28}{WireNames.Text(t.Class),-8}{(t.Life is { Paused: true } ? "paused" : WireNames.Text(t.State)),-10}{Span(For(t)),10}  {Name(t)}{Where(t)}"),
        ];
    }

    /// <summary>What stands still or goes on elsewhere, and why.</summary>
    private static string Where(TaskInfo task) => task switch
    {
        { State: TaskState.Frozen, Life.Preemption: { } frozen } => $" (its slot is lent to {frozen.By})",
        { Life.Home: { } home } => $" (of node {home})",
        { State: < TaskState.Succeeded, Life.Moves: { Node: { } node } moves } => $" (at node {node}{(moves.Why == MoveReason.Asked ? "" : $": {WireNames.Text(moves.Why)}")})",
        { Life.Moves: { } moves } => string.Create(CultureInfo.InvariantCulture, $" (moved {moves.Times} times, is back)"),
        _ => string.Empty,
    };

    /// <summary>Each part gets its lines while they last: first a share of its own, then what others left.</summary>
    private static List<List<string>> Share(List<List<string>> parts, int room)
    {
        if (room == int.MaxValue)
        {
            return parts.ConvertAll(static p => (List<string>)[string.Empty, .. p]);
        }

        var left = room;
        var shares = new int[parts.Count];
        for (var round = 0; left > 0 && round < room; round++)
        {
            for (var i = 0; i < parts.Count && left > 0; i++)
            {
                // The blank line and the heading come together or not at all.
                var wants = shares[i] == 0 ? LeastPart + 1 : 1;
                if (shares[i] < parts[i].Count + 1 && wants <= left)
                {
                    shares[i] += wants;
                    left -= wants;
                }
            }
        }

        return [.. parts.Select((part, i) => shares[i] == 0 ? [] : (List<string>)[string.Empty, .. part.Take(shares[i] - 1)])];
    }

    private static TimeSpan For(TaskInfo task) => TimeSpan.FromMicroseconds(task.State switch
    {
        TaskState.Queued => task.QueueMicroseconds,
        TaskState.Starting => task.StartMicroseconds,
        _ => task.RunMicroseconds,
    });

    private static string Name(TaskInfo task) => task.Kind == TaskKind.Exec ? "command" : $"{Short(task.Image)}:{task.Function}";

    private static string Pool(string image, string profile, WorkerReuse reuse) => $"{Short(image)}/{profile}{(reuse == WorkerReuse.Never ? "/fresh" : "")}";

    private static string Short(string image) => image[..Math.Min(12, image.Length)];

    private static string Time(TopSample now, string name) => !now.Values.TryGetValue(name, out var microseconds)
        ? "-"
        : Span(TimeSpan.FromMicroseconds(microseconds));

    internal static string Span(TimeSpan span) => span.TotalMilliseconds switch
    {
        < 1 => string.Create(CultureInfo.InvariantCulture, $"{span.TotalMicroseconds:0} us"),
        < 1000 => string.Create(CultureInfo.InvariantCulture, $"{span.TotalMilliseconds:0.0} ms"),
        < 100_000 => string.Create(CultureInfo.InvariantCulture, $"{span.TotalSeconds:0.0} s"),
        < 86_400_000 => string.Create(CultureInfo.InvariantCulture, $"{(int)span.TotalHours}:{span.Minutes:00}:{span.Seconds:00}"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{span.TotalDays:0.0} d"),
    };
}
