using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Checkpoints;

namespace Wayang.Fast.Execution.Handover;

/// <summary>A call's file on its way here, beside the checkpoints until all of it is there and was read to its end. One caller at a time.</summary>
internal sealed class ArrivingFile(CheckpointStore store, bool durable, TaskId task, string image, string profile) : IArrivingFile
{
    private readonly FileStream _file = store.Receive(task);

    public long Received => _file.Length;

    public void Append(ReadOnlySpan<byte> piece)
    {
        _file.Seek(0, SeekOrigin.End);
        _file.Write(piece);
    }

    public TaskCheckpoint Keep(ReadOnlySpan<byte> key) => store.Adopt(_file, key, durable, (task, image, profile));

    public void Dispose()
    {
        _file.Dispose();
        File.Delete(_file.Name);
    }
}
