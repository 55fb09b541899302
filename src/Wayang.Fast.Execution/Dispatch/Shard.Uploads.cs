using System.Runtime.CompilerServices;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Execution.Workers;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Dispatch;

/// <content>Inputs on their way into a worker's ring.</content>
internal sealed partial class Shard
{
    private void Write(CallWorker worker, TaskRecord record, uint ticket)
    {
        if (worker.Uploads.Count == 0
            && worker.Writer.TryWrite(ticket, record.Function, KindCall, record.Input.Span) == RingStatus.Ok)
        {
            Touch(worker);
            return;
        }

        // Pinned: the input must stay while chunks of it are still to be written, whatever the worker says meanwhile.
        if (_lifecycle.TryPin(record.Id, out _))
        {
            worker.Uploads.Enqueue(new Upload(ticket, record.Slot));
        }

        ContinueUploads(worker);
    }

    /// <summary>What all tasks may have saved together, now.</summary>
    public long MaxStatesBytes => _options.Current.MaxStatesBytes;

    /// <summary>A call that begins from what an earlier attempt saved: the worker has that before the input.</summary>
    /// <param name="saved">Held for this.</param>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void WriteWithState(CallWorker worker, TaskRecord record, uint ticket, SavedState saved)
    {
        BegunFromState++;
        foreach (var state in (ReadOnlySpan<SavedState?>)[saved, null])
        {
            if (_lifecycle.TryPin(record.Id, out _))
            {
                worker.Uploads.Enqueue(new Upload(ticket, record.Slot, state));
            }
            else
            {
                state?.Release();
            }
        }

        ContinueUploads(worker);
    }

    private void EndUpload(Upload upload)
    {
        upload.State?.Release();
        _lifecycle.Unpin(_table[upload.Record]);
    }

    /// <summary>Writes chunks until the ring is full; the worker then rings the doorbell when it has consumed some.</summary>
    private void ContinueUploads(CallWorker worker)
    {
        Touch(worker);
        while (worker.Uploads.TryPeek(out var upload))
        {
            var status = WriteChunks(worker, upload);
            if (status == RingStatus.Full && !worker.UploadsPending)
            {
                // Ask, then look once more: what the worker freed before it saw the wish, it rang for nobody.
                worker.UploadsPending = true;
                UploadWaits++;
                worker.Writer.SetWantsSpace(true);
                status = WriteChunks(worker, upload);
            }

            if (status == RingStatus.Full)
            {
                return;
            }

            if (status != RingStatus.Ok)
            {
                Completion.PostViolation(worker, "moved its head where it cannot be");
                return;
            }

            worker.Uploads.Dequeue();
            EndUpload(upload);
        }

        if (worker.UploadsPending)
        {
            worker.UploadsPending = false;
            worker.Writer.SetWantsSpace(false);
        }
    }

    /// <returns>Ok when the whole payload is in the ring.</returns>
    private RingStatus WriteChunks(CallWorker worker, Upload upload)
    {
        var record = _table[upload.Record];
        var written = upload.Written;
        var payload = upload.State is { } state ? state.Bytes : record.Input.Span;
        var kind = upload.State is null ? KindCall : ChannelLayout.KindState;
        RingStatus status;
        do
        {
            status = worker.Writer.TryWriteChunk(upload.Ticket, record.Function, kind, payload, ref written);
        }
        while (status == RingStatus.Ok && written < payload.Length);

        upload.Written = written;
        return status;
    }
}
