#pragma warning disable CA1416 // The runtime is Linux only: files have modes here.
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Handover;

namespace Wayang.Fast.Execution.Checkpoints;

/// <content>
/// Calls that go to another node and come from one: the pieces of a file, over a connection that is encrypted for the two. Who takes one writes it under its own node's key.
/// </content>
internal sealed partial class CheckpointStore
{
    private delegate void MemoryPiece(ReadOnlySpan<byte> piece);

    private const int MostArrived = 8;
    private const int MostSides = 1 << 20;

    /// <summary>Both sides of a channel and what belongs to them take less.</summary>
    private const long MaxDescription = 256L << 20;

    private readonly OrderedDictionary<string, CheckpointState> _arrived = new(StringComparer.Ordinal);

    /// <summary>What is told of a file.</summary>
    /// <exception cref="IOException">It is not there, or cannot be read.</exception>
    public static CallFile Open(TaskCheckpoint checkpoint)
    {
        using var file = File.OpenRead(checkpoint.File);
        return new CallFile(checkpoint.File, file.Length) { StandsSince = checkpoint.StandsSince };
    }

    /// <summary>Sends a call that stands in its file; blocks.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="InvalidDataException">It is damaged, or none of ours.</exception>
    public void Send(string path, CallSender sender)
    {
        sender.Begin(path);
        Visit(path, (kind, piece) =>
        {
            sender.Write(kind, piece);
            return true;
        });
        sender.Write(CheckpointFile.Kind.End, []);
    }

    /// <summary>Makes what another node sends a file of this node's own; blocks until all of it came.</summary>
    /// <param name="arriving">What comes.</param>
    /// <param name="durable">The ledger will know it: it is flushed to the disk.</param>
    /// <param name="of">What it must be of.</param>
    /// <param name="awaiting">A worker that was made before; from now on this one's. Null: none was.</param>
    /// <param name="begin">Makes a worker of it while it comes, or takes the one that was made. Null: nobody.</param>
    /// <exception cref="IOException">The disk, or the connection.</exception>
    /// <exception cref="InvalidDataException">It is damaged, or of something else.</exception>
    public TaskCheckpoint Adopt(CallReceiver arriving, bool durable, (TaskId Task, string Image, string Profile) of, Standby? awaiting, Func<Standby?, WorkerShape, Standby?>? begin)
    {
        Standby? standby = null;
        var path = NewPath(of.Task, durable);
        var beside = path + Unfinished;
        CheckpointState state;
        try
        {
            Hold();
            using (var file = new FileStream(beside, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = NodeKey.OwnersFile, BufferSize = 1 << 18 }))
            {
                state = Rewrite(
                    arriving,
                    file,
                    of,
                    shape =>
                    {
                        standby = begin?.Invoke(awaiting, shape);
                        awaiting = null;
                    },
                    piece => standby?.Feed(piece));
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
        finally
        {
            awaiting?.Dispose(); // nobody took it
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

    private CheckpointState Rewrite(CallReceiver arriving, FileStream file, (TaskId Task, string Image, string Profile) of, Action<WorkerShape> onShape, MemoryPiece onStream)
    {
        using var description = new MemoryStream();
        var begun = false;
        using var writer = new CheckpointFile.Writer(file, _key.Read());
        arriving.ReadAll(Copy);
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
                case not CheckpointFile.Kind.Shape when !hasBegun:
                    throw new InvalidDataException($"what arrived of task {of.Task} does not begin with the shape of its worker");
                case CheckpointFile.Kind.Shape:
                    onShape(WorkerShape.Decode(piece));
                    break;
                case CheckpointFile.Kind.Stream:
                    onStream(piece);
                    break;
                case not CheckpointFile.Kind.State:
                    throw new InvalidDataException($"what arrived of task {of.Task} is not of a checkpoint");
                case var _ when description.Length > MaxDescription:
                    throw new InvalidDataException($"what arrived of task {of.Task} has a description without end");
                default:
                    description.Write(piece);
                    break;
            }

            writer.Write(kind, piece); // behind the worker, which has more to do with it
            return true;
        }
    }
}
