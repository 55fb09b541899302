#pragma warning disable CA1416 // The runtime is Linux only: files have modes here.
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Execution.Checkpoints;

/// <content>
/// Files that go to another node and come from one. They travel as they lie on the disk, with the key of this one file, over a connection that is encrypted for the two; the receiver reads each to its
/// end, which proves it piece by piece, and writes it anew under its own key.
/// </content>
internal sealed partial class CheckpointStore
{
    private delegate void MemoryPiece(ReadOnlySpan<byte> piece);

    private const int MostArrived = 8;
    private const int MostSides = 1 << 20;

    private readonly OrderedDictionary<string, CheckpointState> _arrived = new(StringComparer.Ordinal);

    /// <summary>A file as another node needs it.</summary>
    /// <exception cref="IOException">It is not there, or cannot be read.</exception>
    /// <exception cref="InvalidDataException">It is none of ours.</exception>
    public CallFile Open(TaskCheckpoint checkpoint)
    {
        Hold();
        using var file = File.OpenRead(checkpoint.File);
        return new CallFile(checkpoint.File, file.Length, CheckpointFile.KeyOf(file, _key.Read()) ?? throw new InvalidDataException($"{checkpoint.File}: it is no checkpoint of this program"))
        {
            StandsSince = checkpoint.StandsSince,
        };
    }

    /// <summary>Makes another node's file this node's own.</summary>
    /// <param name="arrived">All of it, as it comes.</param>
    /// <param name="key">Of that file.</param>
    /// <param name="durable">The ledger will know it: it is flushed to the disk.</param>
    /// <param name="of">What it must be of.</param>
    /// <param name="begin">Makes a worker of it meanwhile; null: nobody.</param>
    /// <exception cref="IOException">The disk.</exception>
    /// <exception cref="InvalidDataException">It is damaged, or of something else.</exception>
    public TaskCheckpoint Adopt(Stream arrived, ReadOnlySpan<byte> key, bool durable, (TaskId Task, string Image, string Profile) of, Func<WorkerShape, Standby?>? begin)
    {
        Hold();
        Standby? standby = null;
        var path = NewPath(of.Task, durable);
        var beside = path + Unfinished;
        CheckpointState state;
        try
        {
            using (var file = new FileStream(beside, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = NodeKey.OwnersFile, BufferSize = 1 << 18 }))
            {
                state = Rewrite(arrived, key, file, of, shape => standby = begin?.Invoke(shape), piece => standby?.Feed(piece));
                file.Flush(flushToDisk: durable);
            }

            File.Move(beside, path);
            if (durable)
            {
                NodeKey.Sync(directory);
            }

            Remember(path, state);
            standby?.Complete(path, state);
            return new TaskCheckpoint(path, new FileInfo(path).Length, DateTimeOffset.UtcNow);
        }
        catch
        {
            standby?.Dispose();
            File.Delete(beside);
            File.Delete(path);
            throw;
        }
    }

    /// <summary>What has just come is continued soon: it need not be read again for that. A file that is damaged meanwhile is found out when its memory is read.</summary>
    private void Remember(string path, CheckpointState state)
    {
        lock (_lock)
        {
            if (state.DaemonSide.Held + state.WorkerSide.Held > MostSides)
            {
                return;
            }

            if (_arrived.Count == MostArrived)
            {
                _arrived.RemoveAt(0); // it goes on later, or never
            }

            _arrived.Add(path, state);
        }
    }

    /// <returns>Null: it is to be read.</returns>
    private CheckpointState? Recall(string path)
    {
        lock (_lock)
        {
            return _arrived.Remove(path, out var state) ? state : null;
        }
    }

    private CheckpointState Rewrite(Stream arrived, ReadOnlySpan<byte> key, FileStream file, (TaskId Task, string Image, string Profile) of, Action<WorkerShape> onShape, MemoryPiece onStream)
    {
        using var description = new MemoryStream();
        var begun = false;
        using var writer = new CheckpointFile.Writer(file, _key.Read());
        if (CheckpointFile.ReadForeign(arrived, key, Copy) is { } wrong)
        {
            throw new InvalidDataException($"what arrived of task {of.Task}: {wrong}");
        }

        writer.Write(CheckpointFile.Kind.End, []);
        var state = CheckpointState.Decode(description.ToArray());
        if (!state.IsOf(of.Task, of.Image, of.Profile))
        {
            throw new InvalidDataException($"what arrived is of task {state.Task}, image {state.Image} under {state.Profile}, not of {of.Task}, image {of.Image} under {of.Profile}");
        }

        return state;

        bool Copy(CheckpointFile.Kind kind, ReadOnlySpan<byte> piece)
        {
            var hasBegun = begun;
            begun = true;
            switch (kind)
            {
                case CheckpointFile.Kind.Shape when hasBegun:
                    throw new InvalidDataException($"what arrived of task {of.Task} has the shape of its worker in the middle");
                case CheckpointFile.Kind.Shape:
                    onShape(WorkerShape.Decode(piece));
                    break;
                case CheckpointFile.Kind.Stream:
                    onStream(piece);
                    break;
                default:
                    description.Write(piece);
                    break;
            }

            writer.Write(kind, piece); // behind the worker, which has more to do with it
            return true;
        }
    }
}
