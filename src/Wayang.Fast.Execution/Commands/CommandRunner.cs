using System.Diagnostics;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Execution.Completions;
using Wayang.Fast.Execution.Dispatch;
using Wayang.Fast.Execution.Limits;
using Wayang.Fast.Execution.Network;
using Wayang.Fast.Execution.Resources;
using Wayang.Fast.Execution.Spawner;
using Wayang.Fast.Execution.Supervision;
using Wayang.Fast.Execution.Workers;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Commands;

/// <summary>Starts commands, moves their standard streams, and ends them. Supervisor thread only.</summary>
internal sealed partial class CommandRunner(
    Poller poller, WorkerTable ids, SpawnerLink link, TaskLifecycle lifecycle, Shard shard, CompletionThread completion, LiveOptions options, NetworkOffers networks)
{
    private const int Sigterm = 15;
    private const int Sigkill = 9;
    private static readonly long PipeGraceTicks = 2 * Stopwatch.Frequency;

    private readonly Dictionary<ulong, CommandRun> _runs = [];
    private readonly Dictionary<TaskId, CommandRun> _byTask = [];

    public int Running => _runs.Count;

    public IEnumerable<CommandRun> All => _runs.Values;

    /// <summary>Starts a command in the zygote of its pool's image.</summary>
    /// <param name="deadline">Timestamp at which it is stopped; its time runs from dispatch.</param>
    public void Start(TaskRecord record, WorkerPool pool, long deadline)
    {
        var id = ids.NewId();
        if (id == 0)
        {
            Fail(record, pool, "all worker places are taken");
            return;
        }

        var run = new CommandRun(id, record, pool)
        {
            Deadline = deadline,
            Artifacts = record.Terms is { } terms && (terms.Artifacts is not null || terms.SavesFile)
                ? new ArtifactReceiver(terms.Artifacts, terms.SavesFile ? options.Current.MaxStateBytes : -1) : null,
        };
        string? why;
        try
        {
            why = OpenAndSend(run) ? null : "the start could not be sent to the spawner";
        }
        catch (NativeException failure)
        {
            // Out of descriptors or memory: the end of this task, not of the node.
            why = $"its pipes could not be made: {failure.Message}";
        }

        if (why is not null)
        {
            run.Abandon();
            networks.Close(id);
            ids.Remove(id);
            Fail(record, pool, why);
            return;
        }

        _runs.Add(id, run);
        _byTask.Add(run.TaskId, run);
        OnPipe(CommandRun.Token(id, CommandStream.Stdin));
    }

    public bool TryFind(ulong id, out CommandRun? run) => _runs.TryGetValue(id, out run);

    public void OnStarted(CommandRun run, int processId)
    {
        run.ProcessId = processId;
        lifecycle.Run(run.Record);
    }

    public void OnExited(CommandRun run, in WorkerExit exit)
    {
        run.Exit = exit;
        if (exit.Kind == ExitKind.NotStarted)
        {
            run.CloseOutputs(poller);
        }

        WatchOutputs(run);
        run.Deadline = long.MaxValue;
        run.KillAt = Stopwatch.GetTimestamp() + PipeGraceTicks;
        FinishWhenOver(run);
    }

    /// <summary>Forgets a command that has not begun, so that it can be started anew. False when it did begin, or was asked to end.</summary>
    public bool TryWithdraw(CommandRun run)
    {
        if (run.ProcessId != 0 || run.PendingEnd is not null || run.Exit is not null)
        {
            return false;
        }

        run.Close(CommandStream.Stdin, poller);
        run.CloseOutputs(poller);
        networks.Close(run.Id);
        _runs.Remove(run.Id);
        _byTask.Remove(run.TaskId);
        ids.Remove(run.Id);
        return true;
    }

    /// <summary>Asks a command to end; after the grace it is killed. False when the task is not here.</summary>
    public bool Stop(TaskId task, TaskState state, in TaskCause cause)
    {
        if (!_byTask.TryGetValue(task, out var run))
        {
            return false;
        }

        Stop(run, state, cause);
        return true;
    }

    /// <summary>A pipe is ready.</summary>
    public void OnPipe(ulong token)
    {
        var stream = (CommandStream)(token & 3);
        if (!_runs.TryGetValue(token >> 2, out var run) || run[stream] < 0 || run.DueOf(stream) != 0)
        {
            return; // an event that was on its way when the stream was closed, or put off
        }

        try
        {
            if (stream == CommandStream.Stdin)
            {
                WriteInput(run);
                return;
            }

            ReadOutput(run, stream);
        }
        catch (NativeException)
        {
            run.Close(stream, poller); // nothing that a pipe does by itself; no reason to lose the others
        }

        FinishWhenOver(run);
    }

    /// <summary>Acts on what is over its time; returns the earliest next deadline.</summary>
    public long Sweep(long now)
    {
        var next = long.MaxValue;
        List<CommandRun>? due = null;
        foreach (var run in _runs.Values)
        {
            if (run.Deadline <= now || run.KillAt <= now)
            {
                (due ??= []).Add(run);
            }
            else
            {
                next = Math.Min(next, Math.Min(run.Deadline, run.KillAt));
            }
        }

        foreach (var run in due ?? [])
        {
            Expire(run, now);
            next = Math.Min(next, Math.Min(run.Deadline, run.KillAt));
        }

        return next;
    }

    /// <summary>The spawner is gone, and every command with it.</summary>
    public void LoseAll(string why)
    {
        foreach (var run in _runs.Values.ToArray())
        {
            if (run.Exit is null)
            {
                OnExited(run, new WorkerExit(run.Id, ExitKind.Killed, 0, 0, 0, why));
            }
        }
    }

    /// <summary>Closes all pipes; the runtime ends.</summary>
    public void CloseAll()
    {
        foreach (var run in _runs.Values)
        {
            run.Abandon();
        }

        _runs.Clear();
        _byTask.Clear();
    }

    /// <summary>CPU weight by class: see design section 6.</summary>
    public static uint NiceClass(byte level) => level switch
    {
        < 8 => 2,
        < 24 => 1,
        < 40 => 0,
        _ => 3,
    };

    private void Stop(CommandRun run, TaskState state, in TaskCause cause)
    {
        if (run.PendingEnd is not null || run.Exit is not null)
        {
            return;
        }

        run.PendingEnd = (state, cause);
        run.Deadline = long.MaxValue;
        run.KillAt = Stopwatch.GetTimestamp() + (long)(CommandExecutor.CancelGrace.TotalSeconds * Stopwatch.Frequency);
        link.SendSignal(run.Id, Sigterm);
        ReleaseAll(run); // what is frozen takes no other signal than the kill
    }

    private void Expire(CommandRun run, long now)
    {
        if (run.Exit is not null)
        {
            // Nobody can hold these pipes any more, yet they are open: give them up rather than keep the task.
            if (run.KillAt <= now)
            {
                run.CloseOutputs(poller);
                FinishWhenOver(run);
            }

            return;
        }

        if (run.KillAt <= now)
        {
            run.KillAt = long.MaxValue;
            link.SendSignal(run.Id, Sigkill);
        }
        else
        {
            Stop(run, TaskState.TimedOut, new TaskCause(CauseType.Timeout, 0, $"ran longer than {run.Record.TimeoutMs} ms"));
        }
    }

    private bool OpenAndSend(CommandRun run)
    {
        Span<int> sent = [-1, -1, -1, -1, -1, -1];
        var count = 4;
        try
        {
            sent[0] = Descriptors.CreateSealedMemory("wayang-arguments", CommandArguments.Encode(run.Record.Command!, run.Pool.Image.Defaults, EnvironmentOf(run)));
            (sent[1], run[CommandStream.Stdin]) = Descriptors.CreatePipe(nonBlockingRead: false, nonBlockingWrite: true);
            (run[CommandStream.Stdout], sent[2]) = Descriptors.CreatePipe(nonBlockingRead: true, nonBlockingWrite: false);
            (run[CommandStream.Stderr], sent[3]) = Descriptors.CreatePipe(nonBlockingRead: true, nonBlockingWrite: false);
            poller.AddWritable(run[CommandStream.Stdin], CommandRun.Token(run.Id, CommandStream.Stdin), edgeTriggered: true);
            poller.Add(run[CommandStream.Stdout], CommandRun.Token(run.Id, CommandStream.Stdout), edgeTriggered: false);
            poller.Add(run[CommandStream.Stderr], CommandRun.Token(run.Id, CommandStream.Stderr), edgeTriggered: false);
            if (run.Pool.Grants is { } grants && !networks.Open(run.Id, grants, $"task {run.TaskId}"))
            {
                return false;
            }

            if (run.Record.Terms is { } files && (files.HasFiles || files.SavesFile))
            {
                sent[4] = StageFile.Create(files, files.SavesFile ? SavedOf(run.Record) : null, files.SavesFile ? options.Current.MaxStateBytes : 0);
                (run[CommandStream.Artifacts], sent[5]) = Descriptors.CreatePipe(nonBlockingRead: true, nonBlockingWrite: false);
                poller.Add(run[CommandStream.Artifacts], CommandRun.Token(run.Id, CommandStream.Artifacts), edgeTriggered: false);
                count = sent.Length;
            }

            var learned = MemoryPlan.FloorOf(run.Record, options.Current);
            var limits = StartLimits.Of(run.Record.Terms?.Limits, options.Current, run.Pool.Key.Profile, link.Welcome, learned);
            return link.SendCommandStart(run.Id, run.Pool.Image.SpawnerId, NiceClass(run.Record.Level), limits, sent[..count]);
        }
        finally
        {
            foreach (var descriptor in sent)
            {
                Descriptors.Close(descriptor);
            }
        }
    }

    private void WriteInput(CommandRun run)
    {
        var descriptor = run[CommandStream.Stdin];
        if (descriptor < 0)
        {
            return;
        }

        var input = run.Record.Input.Span;
        while (run.StdinWritten < input.Length)
        {
            var written = Descriptors.Write(descriptor, input[run.StdinWritten..Math.Min(input.Length, run.StdinWritten + 65536)]);
            if (written == -1)
            {
                return;
            }

            if (written < 0)
            {
                break;
            }

            run.StdinWritten += written;
        }

        run.Close(CommandStream.Stdin, poller);
    }

    private void FinishWhenOver(CommandRun run)
    {
        if (!run.IsOver)
        {
            return;
        }

        run.Close(CommandStream.Stdin, poller);
        networks.Close(run.Id);
        _runs.Remove(run.Id);
        _byTask.Remove(run.TaskId);
        ids.Remove(run.Id);
        run.Record.Artifacts = run.Artifacts?.Finish();
        var exit = run.Exit!.Value;
        var (state, cause) = run.PendingEnd ?? ExitCauses.Of(exit);
        completion.Post(new CompletionCommand(
            HasYielded(run) ? CompletionCommandKind.CommandYielded : CompletionCommandKind.End, Exit: exit, Record: run.Record, Id: run.TaskId, State: state, Cause: cause,
            Saved: run.Artifacts?.State));
        shard.Post(new ShardEvent(ShardEventKind.CommandEnded, Pool: run.Pool, Level: run.TakenLevel, Ticks: Stopwatch.GetTimestamp() - run.Started,
            Id: run.TaskId, Since: run.Started));
    }

    private void Fail(TaskRecord record, WorkerPool pool, string why)
    {
        var (level, id, started) = (record.TakenLevel, record.Id, record.Started); // after its end the record may be another task's
        completion.PostFailed(record, why);
        shard.Post(new ShardEvent(ShardEventKind.CommandEnded, Pool: pool, Level: level, Ticks: -1, Id: id, Since: started));
    }
}
