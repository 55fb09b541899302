using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Execution.Checkpoints;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Workers;

/// <content>A worker whose call is written down, or that is made to continue one.</content>
internal sealed partial class CallWorker
{
    private volatile Capture? _capture;

    /// <summary>Its call is being written down. Set by the dispatch owner, cleared by the completion thread.</summary>
    public Capture? Capture
    {
        get => _capture;
        set => _capture = value;
    }

    /// <summary>What it was made for; null: it began as all do.</summary>
    public Continuation? Continuation { get; init; }

    /// <summary>A worker that goes on where another one stood; one that is ahead is filled later.</summary>
    /// <exception cref="InvalidDataException">What was read of its channel cannot be.</exception>
    public static CallWorker Continue(ulong id, ChannelMemory channel, Continuation continuation, long memoryLimit)
    {
        var worker = new CallWorker(id, continuation.Pool, channel, continuation.Shape?.Concurrency ?? continuation.State!.Concurrency)
        {
            Continuation = continuation,
            SaidReady = true,
            StartRequested = System.Diagnostics.Stopwatch.GetTimestamp(),
            MemoryLimit = memoryLimit,
        };
        if (continuation.State is { } state)
        {
            if (!worker.TryFill(state))
            {
                throw new InvalidDataException("the checkpoint's channel is not one that its numbers describe");
            }

            worker.Reader.PrepareSleep();
        }

        return worker;
    }

    /// <summary>Makes its channel what the other's was. Before anybody reads or writes it.</summary>
    /// <returns>False: it is not one that its numbers describe.</returns>
    public bool TryFill(CheckpointState state) =>
        state.Geometry == Channel.Geometry && state.Concurrency == Concurrency && Channel.TryFill(state.DaemonSide, state.WorkerSide)
        && Writer.TryImportCursors(state.WriterCursors) && Reader.TryImportCursors(state.ReaderCursors);

    /// <summary>Its channel and cursors, for a worker that goes on from here. It stands still, and nobody writes to it.</summary>
    /// <returns>Null: an input or an answer is on its way.</returns>
    public CheckpointState? Describe(TaskId task, string function, uint ticket, long? timeLeftMs) =>
        Writer.ExportCursors() is { } writer && Reader.ExportCursors() is { } reader
            ? new CheckpointState(task, Pool.Key.Image, Pool.Key.Profile, function)
            {
                Ticket = ticket,
                TimeLeftMs = timeLeftMs,
                Concurrency = Concurrency,
                Geometry = Channel.Geometry,
                WriterCursors = writer,
                ReaderCursors = reader,
                DaemonSide = Channel.CopyDaemonSide(),
                WorkerSide = Channel.CopyWorkerSide(),
            }
            : null;

    /// <summary>Takes the index of a ticket that its memory knows. Dispatch owner only; before any other.</summary>
    public ref InFlightEntry TakeEntry(uint ticket)
    {
        var index = (int)(ticket & 0xFF);
        var at = Array.IndexOf(_free, (byte)index);
        _free[at] = _free[--_freeCount];
        ref var entry = ref Entries[index];
        entry.Generation = ticket >> 8;
        return ref entry;
    }
}
