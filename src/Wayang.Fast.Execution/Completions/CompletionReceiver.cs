using System.Text;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Dispatch;
using Wayang.Fast.Execution.Logs;
using Wayang.Fast.Execution.Workers;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Completions;

internal enum ReceiveOutcome : byte
{
    Received,
    Empty,

    /// <summary>The worker broke the rules of the channel; it is being killed and is read no more.</summary>
    Broken,
}

/// <summary>
/// Turns what a worker wrote into outputs, log lines and ends. Everything is checked against the daemon's own in-flight
/// table; a stale ticket is dropped, anything impossible ends the worker. Completion thread only.
/// </summary>
internal sealed class CompletionReceiver(Shard shard, TaskTable table, TaskLifecycle lifecycle, LiveOptions options)
{
    private const byte KindReady = 16;
    private const byte KindOutput = 17;
    private const byte KindError = 18;
    private const byte KindLog = 19;
    private const byte KindProgress = 20;
    private const byte KindSaved = 21;
    private const byte KindYielded = 22;

    private static readonly TaskCause s_unasked = new(CauseType.Exception, 0, "not_asked_to_yield: the function returned WAYANG_YIELD, and nobody wanted its place: look at wayang_save_wanted first");

    // What it costs to keep a log record beside copying its bytes, in bytes copied.
    private const int LogWeight = 2048;

    private readonly byte[] _scratch = new byte[65536];
    private readonly LogLine _logLine = new();
    private readonly RepeatedTexts _errors = new();
    private readonly SaveReceiver _saves = new(lifecycle, options);

    /// <summary>Completions whose ticket was not (or no longer) in flight.</summary>
    public long Stale { get; private set; }

    /// <summary>What the last one received cost, in bytes copied.</summary>
    public int Weight { get; private set; }

    public ReceiveOutcome TryReceive(CallWorker worker)
    {
        if (worker.Violation is not null)
        {
            return ReceiveOutcome.Broken;
        }

        var status = worker.Reader.TryRead(_scratch, out var completion);
        if (status == RingStatus.Empty)
        {
            return ReceiveOutcome.Empty;
        }

        if (status != RingStatus.Ok)
        {
            Violate(worker, worker.Reader.CorruptReason ?? "corrupt completion ring");
            return ReceiveOutcome.Broken;
        }

        Weight = completion.Length;
        var broken = Apply(worker, completion);
        if (broken is not null)
        {
            Violate(worker, broken);
            return ReceiveOutcome.Broken;
        }

        return ReceiveOutcome.Received;
    }

    /// <summary>A worker that ended may have published ends before: they count. Bounded by the ring's own corruption checks.</summary>
    /// <remarks>Of no effect once the worker is gone: its channel may be unmapped by then.</remarks>
    public void DrainToEnd(CallWorker worker)
    {
        for (var i = 0; i < 65536 && !worker.IsGone && TryReceive(worker) == ReceiveOutcome.Received; i++)
        {
            worker.Reader.PublishHead();
        }
    }

    /// <summary>The worker broke a rule: it is killed, and what it had in flight ends with <c>sandbox_violation</c>.</summary>
    public void Violate(CallWorker worker, string what)
    {
        if (worker.Violation is null)
        {
            worker.Violation = what;

            // The dispatch owner kills it, after it took it out of its pool: no innocent call may meet a dying worker.
            shard.Post(new ShardEvent(ShardEventKind.RetireWorker, worker));
        }
    }

    /// <summary>Frees an in-flight entry and ends its task. False when the ticket is not in flight.</summary>
    public bool EndCall(CallWorker worker, int index, TaskState state, in TaskCause cause, bool workerServes)
    {
        ref readonly var entry = ref worker.Entries[index];
        return entry.Ticket != 0 && EndCall(worker, index, table[entry.Record], state, cause, workerServes);
    }

    private bool EndCall(CallWorker worker, int index, TaskRecord record, TaskState state, in TaskCause cause, bool workerServes)
    {
        Free(worker, ref worker.Entries[index], index, workerServes);
        return lifecycle.End(record, state, cause, shard.Clock.Now);
    }

    /// <summary>The call is in flight no more.</summary>
    private void Free(CallWorker worker, ref InFlightEntry entry, int index, bool workerServes)
    {
        Volatile.Write(ref entry.Deadline, long.MaxValue);
        Volatile.Write(ref entry.Ticket, 0);
        if (worker.PendingEnds[index].HasValue)
        {
            worker.PendingEnds[index] = null;
        }

        if (workerServes)
        {
            if (worker.Pool.Key.Reuse == WorkerReuse.Never)
            {
                shard.Post(new ShardEvent(ShardEventKind.RetireWorker, worker));
            }
            else
            {
                // Before the end is told: the observer's next submission finds the slot free.
                shard.Release(worker, index);
            }
        }
    }

    /// <returns>Null, or the rule that was broken.</returns>
    private string? Apply(CallWorker worker, in Completion completion)
    {
        if (completion.Kind == KindReady)
        {
            if (worker.SaidReady || completion.Ticket != 0)
            {
                return "said READY twice";
            }

            worker.SaidReady = true;
            shard.Post(new ShardEvent(ShardEventKind.WorkerReady, worker));
            return null;
        }

        var index = (int)(completion.Ticket & 0xFF);
        if (index >= worker.Entries.Length)
        {
            return $"named in-flight index {index} of {worker.Entries.Length}";
        }

        ref var entry = ref worker.Entries[index];
        if (completion.Ticket == 0 || Volatile.Read(ref entry.Ticket) != completion.Ticket)
        {
            Stale++;
            return null;
        }

        var payload = _scratch.AsSpan(0, completion.Length);
        return completion.Kind switch
        {
            KindOutput or KindError => ApplyPayload(worker, ref entry, index, completion, payload),
            KindLog => ApplyLog(table[entry.Record], payload),
            KindProgress => ApplyProgress(table[entry.Record], payload),
            KindYielded => ApplyYield(worker, ref entry, index),
            KindSaved => ApplySaved(worker, entry, completion, payload),
            _ => $"wrote a slot of unknown kind {completion.Kind}",
        };
    }

    private string? ApplyPayload(CallWorker worker, ref InFlightEntry entry, int index, in Completion completion, ReadOnlySpan<byte> payload)
    {
        var record = table[entry.Record];
        if (completion.First && completion.Last)
        {
            if (entry.OutputTotal >= 0)
            {
                return "began an output twice";
            }

            Finish(worker, record, index, completion.Kind, payload);
            return null;
        }

        if (completion.First)
        {
            var bound = completion.Kind == KindError ? ChannelLayout.MaxErrorBytes : options.Current.MaxPayloadBytes;
            if (entry.OutputTotal >= 0 || completion.Total > bound)
            {
                return entry.OutputTotal >= 0 ? "began an output twice" : $"announced an output of {completion.Total} bytes; the bound is {bound}";
            }

            entry.OutputTotal = completion.Total;
            entry.OutputKind = completion.Kind;
            record.Output.Expect((int)completion.Total);
        }
        else if (entry.OutputTotal < 0 || entry.OutputKind != completion.Kind || completion.Total != entry.OutputTotal)
        {
            return "wrote a chunk that continues nothing";
        }

        if (record.Output.Length + payload.Length > entry.OutputTotal)
        {
            return "wrote more output than it announced";
        }

        record.Output.Append(payload);
        if (!completion.Last)
        {
            return null;
        }

        if (record.Output.Length != entry.OutputTotal)
        {
            return "wrote less output than it announced";
        }

        Finish(worker, record, index, completion.Kind, default);
        return null;
    }

    /// <param name="payload">The whole payload; empty when it was assembled in the record's output.</param>
    private void Finish(CallWorker worker, TaskRecord record, int index, byte kind, ReadOnlySpan<byte> payload)
    {
        if (worker.MeasuredProcessors != 0)
        {
            record.CpuMicroseconds = CallCost.Microseconds(worker, worker.Entries[index]);
        }

        if (kind == KindOutput)
        {
            if (payload.Length > 0)
            {
                record.Output.Set(payload);
            }

            if (record.CancelRequested)
            {
                var (state, cause) = AskedOf(record);
                EndCall(worker, index, record, state, cause, workerServes: true);
                return;
            }

            EndCall(worker, index, record, TaskState.Succeeded, new TaskCause(CauseType.Exit), workerServes: true);
            return;
        }

        var detail = ErrorText(payload.Length > 0 ? payload : new StreamBytes(record.Output).ToArray(), out var traceback);
        record.Output.Clear();
        if (record.CancelRequested)
        {
            var (state, cause) = AskedOf(record);
            EndCall(worker, index, record, state, cause with { Detail = cause.Detail ?? detail, Traceback = traceback }, workerServes: true);
            return;
        }

        EndCall(worker, index, record, TaskState.Failed, new TaskCause(CauseType.Exception, 0, detail, traceback), workerServes: true);
    }

    private static AskedEnd AskedOf(TaskRecord record) => record.Life?.Asked ?? new AskedEnd(TaskState.Cancelled, new TaskCause(CauseType.Cancelled));

    private string? ApplyLog(TaskRecord record, ReadOnlySpan<byte> payload)
    {
        if (payload.Length == 0)
        {
            return "wrote a log record without a stream";
        }

        Weight += LogWeight;
        var most = options.Current.MaxStreamBytes;
        switch (payload[0])
        {
            case ChannelLayout.LogStdout:
                record.Stdout.AppendBounded(payload[1..], most);
                lifecycle.Appended(record, OutputStream.Stdout);
                return null;
            case ChannelLayout.LogStderr:
                record.Stderr.AppendBounded(payload[1..], most);
                lifecycle.Appended(record, OutputStream.Stderr);
                return null;
            case >= ChannelLayout.LogDebug and <= ChannelLayout.LogError:
                record.Log.AppendWhole(_logLine.Format(lifecycle.UnixMilliseconds(shard.Clock.Now), payload[0], payload[1..]), most);
                lifecycle.Appended(record, OutputStream.Log);
                return null;
            default:
                return $"wrote a log record of unknown stream {payload[0]}";
        }
    }

    /// <summary>The worker serves on; the task waits, unless it was to end anyway.</summary>
    private string? ApplyYield(CallWorker worker, ref InFlightEntry entry, int index)
    {
        var record = table[entry.Record];
        if (entry.OutputTotal >= 0)
        {
            return "yielded in the middle of its output";
        }

        if (record.CancelRequested)
        {
            var (state, cause) = AskedOf(record);
            EndCall(worker, index, record, state, cause, workerServes: true);
        }
        else if (worker.WantedBits[index] && lifecycle.TryYield(record, record.Id, out var enqueue))
        {
            Free(worker, ref entry, index, workerServes: true);
            if (enqueue)
            {
                shard.Post(new ShardEvent(ShardEventKind.Requeue, Ticket: (uint)record.Slot));
            }
        }
        else
        {
            EndCall(worker, index, record, TaskState.Failed, s_unasked, workerServes: true);
        }

        return null;
    }

    private string? ApplySaved(CallWorker worker, in InFlightEntry entry, in Completion completion, ReadOnlySpan<byte> payload)
    {
        Weight += LogWeight;
        return entry.OutputTotal >= 0 ? "saved a state in the middle of its output" : _saves.Apply(worker, table[entry.Record], completion, payload);
    }

    /// <summary>One byte of percent and a text. Text that is no UTF-8 is shown with replacement characters.</summary>
    private static string? ApplyProgress(TaskRecord record, ReadOnlySpan<byte> payload)
    {
        if (payload.Length is 0 or > ProgressCell.MaxBytes || payload[0] is > 100 and not ChannelLayout.ProgressUnknown)
        {
            return "wrote a malformed progress report";
        }

        record.SetProgress(payload);
        return null;
    }

    /// <summary>Code, NUL, message, and sometimes NUL, traceback.</summary>
    private string ErrorText(ReadOnlySpan<byte> payload, out string? traceback)
    {
        traceback = null;
        payload = payload[..Math.Min(payload.Length, ChannelLayout.MaxErrorBytes)];
        var end = payload.IndexOf((byte)0);
        if (end < 0)
        {
            return _errors.Get(payload);
        }

        var message = payload[(end + 1)..];
        var second = message.IndexOf((byte)0);
        if (second >= 0)
        {
            traceback = Encoding.UTF8.GetString(message[(second + 1)..]);
            message = message[..second];
        }

        if (end + 2 + message.Length > RepeatedTexts.MostBytes)
        {
            return $"{Encoding.UTF8.GetString(payload[..end])}: {Encoding.UTF8.GetString(message)}";
        }

        Span<byte> text = stackalloc byte[RepeatedTexts.MostBytes];
        payload[..end].CopyTo(text);
        ": "u8.CopyTo(text[end..]);
        message.CopyTo(text[(end + 2)..]);
        return _errors.Get(text[..(end + 2 + message.Length)]);
    }
}
