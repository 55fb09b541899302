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
            _lifecycle.Unpin(_table[upload.Record]);
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
        RingStatus status;
        do
        {
            status = worker.Writer.TryWriteChunk(upload.Ticket, record.Function, KindCall, record.Input.Span, ref written);
        }
        while (status == RingStatus.Ok && written < record.Input.Length);

        upload.Written = written;
        return status;
    }
}
