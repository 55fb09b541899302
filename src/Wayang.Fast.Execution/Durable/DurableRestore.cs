using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Admission;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Checkpoints;
using Wayang.Fast.Execution.Completions;
using Wayang.Fast.Execution.Images;
using Wayang.Fast.Execution.Supervision;

namespace Wayang.Fast.Execution.Durable;

/// <summary>
/// Takes up what the ledger has of earlier starts. What waited is there again, held, before any door opens; what ran is lost with the node, and
/// ends so or gets another attempt. Once the spawner answers each is given what it runs, and goes its way.
/// </summary>
internal sealed class DurableRestore(
    DurableTasks durable, TaskService service, TaskLifecycle lifecycle, CompletionThread completion, ImageCatalog images, SubmissionKeys keys,
    CheckpointStore? checkpoints, LiveOptions options, ISupervisorLog log)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(1);
    private static readonly TaskCause s_lost = new(CauseType.NodeLost, 0, "the node ended while it ran");

    private readonly List<(LedgerTask Task, DurableSpec Spec)> _held = [];
    private readonly HashSet<string> _told = new(StringComparer.Ordinal);

    /// <summary>Before any door opens.</summary>
    /// <returns>The files in which tasks stand; null: it cannot be told.</returns>
    public IReadOnlySet<string>? Load()
    {
        IReadOnlyList<LedgerTask> live;
        try
        {
            live = durable.Ledger.ReadLive();
            var window = TimeSpan.FromMinutes(options.Current.IdempotencyMinutes);
            foreach (var key in durable.Ledger.ReadKeys(DateTimeOffset.UtcNow - window))
            {
                keys.Restore(key.Tenant, key.Terms, key.Id, DateTimeOffset.UtcNow - DateTimeOffset.FromUnixTimeMilliseconds(key.SubmittedUnixMs));
            }
        }
        catch (LedgerUnreadableException failure)
        {
            log.Warn($"durable tasks of earlier starts are not there: {failure.Message}");
            return null;
        }

        using var ends = new CountdownEvent(1);
        var (lost, again) = (0, 0);
        foreach (var task in live)
        {
            if (Decode(task) is not { } spec)
            {
                End(task, new EndFacts(TaskKind.None) { Cause = s_lost with { Detail = "what the ledger has of it cannot be read" } }, ends);
                continue;
            }

            var (cause, checkpoint) = (s_lost, default(TaskCheckpoint));
            if (task.State == TaskState.Queued && (task.Checkpoint is null || TryTakeUp(task, spec, out checkpoint, out cause)))
            {
                Hold(task, spec, task.Attempt, lost: null, checkpoint);
            }
            else if (spec.Terms.Retry is { } retry && task.Attempt < retry.MaxAttempts && (retry.On & RetryTerms.Bit(CauseType.WorkerLost)) != 0)
            {
                again++;
                durable.PostRetry(task.Id, task.Tenant, spec.Terms.Group, task.Attempt + 1);
                Hold(task, spec, task.Attempt + 1, new TaskAttempt(task.Attempt, TaskState.Failed, cause, 0), checkpoint: null);
            }
            else
            {
                lost++;
                End(task, FactsOf(task, spec, cause), ends);
            }
        }

        ends.Signal();
        if (!ends.Wait(s_patience))
        {
            log.Warn("ends of tasks that ran when the node ended are not stored yet; whoever asks for them is told so");
        }

        if (live.Count > 0)
        {
            log.Info($"durable tasks of earlier starts: {live.Count - lost - again} waited and wait again, {again} ran and get another attempt, {lost} ran and are lost");
        }

        return live.Where(static t => t.Checkpoint is not null).Select(static t => t.Checkpoint!).ToHashSet(StringComparer.Ordinal);
    }

    /// <summary>Gives each what it runs, again and again until all have it, or the node ends.</summary>
    public async Task ResumeAsync(CancellationToken stop)
    {
        while (_held.Count > 0)
        {
            for (var i = _held.Count - 1; i >= 0; i--)
            {
                stop.ThrowIfCancellationRequested();
                if (await TryResumeAsync(_held[^(i + 1)].Task, _held[^(i + 1)].Spec, stop).ConfigureAwait(false))
                {
                    _held[^(i + 1)] = default;
                }
            }

            _held.RemoveAll(static h => h.Task is null);
            if (_held.Count > 0)
            {
                await Task.Delay(s_pause, stop).ConfigureAwait(false);
            }
        }
    }

    private DurableSpec? Decode(LedgerTask task)
    {
        try
        {
            return SpecCodec.Decode(task.Spec);
        }
        catch (InvalidDataException failure)
        {
            log.Warn($"durable task {task.Id} ends: {failure.Message}");
            return null;
        }
    }

    /// <summary>Its attempt stands in a file, from which it goes on if that is what the ledger says of it.</summary>
    private bool TryTakeUp(LedgerTask task, DurableSpec spec, out TaskCheckpoint? checkpoint, out TaskCause cause)
    {
        checkpoint = null;
        cause = s_lost;
        try
        {
            checkpoint = checkpoints?.Find(task.Checkpoint!, task.Id, spec.Image, spec.Profile)
                ?? throw new InvalidDataException("this node has no directory for checkpoints: it was started without a state directory");
            return true;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            cause = new TaskCause(CauseType.NodeLost, 0, $"it was written down, and cannot be continued: {failure.Message}");
            log.Warn($"durable task {task.Id}: {cause.Detail}");
            return false;
        }
    }

    private void Hold(LedgerTask task, DurableSpec spec, int attempt, TaskAttempt? lost, TaskCheckpoint? checkpoint)
    {
        if (service.TryRestore(task, spec, attempt, lost, checkpoint))
        {
            _held.Add((task, spec));
        }
        else
        {
            log.Warn($"durable task {task.Id} waits for the next start: the task table is full");
        }
    }

    private void End(LedgerTask task, EndFacts facts, CountdownEvent ends)
    {
        ends.AddCount();
        durable.PostEnd(task.Id, task.Tenant, TaskState.Failed, facts, DurableTasks.NoStreams(), () => Count(ends));
    }

    /// <summary>Who waited may be gone: ends that the disk takes later are told to nobody here.</summary>
    private static void Count(CountdownEvent ends)
    {
        try
        {
            ends.Signal();
        }
        catch (ObjectDisposedException)
        {
            // It was waited for long enough.
        }
    }

    private static EndFacts FactsOf(LedgerTask task, DurableSpec spec, in TaskCause cause) => new(spec.Kind)
    {
        Level = spec.Level,
        Image = spec.Image,
        Function = spec.Function,
        Cause = cause,
        Life = new TaskLifeFacts
        {
            Durable = true, Attempt = task.Attempt, MaxAttempts = spec.Terms.Retry?.MaxAttempts ?? 1, Deadline = spec.Terms.Deadline, Group = spec.Terms.Group,
        },
        Grants = spec.Terms.Grants?.Texts ?? [],
    };

    /// <returns>It needs nothing more from here.</returns>
    private async Task<bool> TryResumeAsync(LedgerTask task, DurableSpec spec, CancellationToken stop)
    {
        if (spec.Kind == TaskKind.Call)
        {
            await BringImageAsync(task, spec, stop).ConfigureAwait(false);
        }

        if (!lifecycle.TryPin(task.Id, out var record))
        {
            return true; // it ended, and was forgotten
        }

        try
        {
            if (record.State != TaskState.Queued)
            {
                return true;
            }

            var refusal = service.Retarget(record, spec);
            switch (refusal?.Code)
            {
                case null:
                    completion.Post(new CompletionCommand(CompletionCommandKind.Stored, Id: task.Id));
                    return true;
                case ErrorCode.Unavailable or ErrorCode.NotFound or ErrorCode.ResourceExhausted:
                    Warn($"durable task {task.Id} waits: {refusal.Message}", refusal.Message);
                    return false;
                default:
                    completion.Post(new CompletionCommand(
                        CompletionCommandKind.Stop, Id: task.Id, State: TaskState.Rejected, Cause: new TaskCause(CauseType.None, 0, refusal.Message)));
                    return true;
            }
        }
        finally
        {
            lifecycle.Unpin(record);
        }
    }

    /// <summary>An image that nobody has put since the start is brought from the ledger.</summary>
    private async Task BringImageAsync(LedgerTask task, DurableSpec spec, CancellationToken stop)
    {
        if (images.Has(task.Tenant, System.Text.Encoding.UTF8.GetBytes(spec.Image)))
        {
            return;
        }

        try
        {
            if (durable.Ledger.ReadImage(spec.Image) is { } source)
            {
                await images.RestoreAsync(task.Tenant, spec.Image, source, spec.Profile, stop).ConfigureAwait(false);
            }
        }
        catch (Exception failure) when (failure is LedgerUnreadableException or InvalidDataException)
        {
            Warn($"image {spec.Image} is not brought back: {failure.Message}", failure.Message);
        }
    }

    private void Warn(string text, string reason)
    {
        if (_told.Count < 100 && _told.Add(reason))
        {
            log.Warn(text);
        }
    }
}
