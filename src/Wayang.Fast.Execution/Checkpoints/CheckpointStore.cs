#pragma warning disable CA1416 // The runtime is Linux only: files have modes here.
using System.Security.Cryptography;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Execution.Handover;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Checkpoints;

/// <summary>
/// The node's directory of checkpoints. A file has a name of its own, and appears whole: written beside, renamed; one that the ledger will know is flushed to the disk, and the directory after it. Others end
/// with the daemon, so that a loss of power takes nothing that it would not take anyway. One daemon at a time uses it. Thread-safe; blocks on the disk, so none of the runtime's own threads calls what writes or reads.
/// </summary>
internal sealed partial class CheckpointStore(string directory) : IDisposable
{
    private const string Unfinished = ".part";

    /// <summary>Of tasks that end with this daemon.</summary>
    private const string Volatile = ".checkpoint";

    /// <summary>Of tasks that the ledger knows: only what it says of them makes one superfluous.</summary>
    private const string Durable = ".durable";

    private readonly Lock _lock = new();
    private readonly NodeKey _key = new(directory);
    private FileStream? _held;

    /// <summary>Writes what comes through a pipe, then the description that is known once it ended.</summary>
    /// <param name="task">Whose.</param>
    /// <param name="durable">The ledger will know it.</param>
    /// <param name="pipe">The end that is read; stays the caller's.</param>
    /// <param name="shape">Of its worker.</param>
    /// <param name="state">Null: it is given up, and nothing is left of it.</param>
    /// <param name="sender">Sends it meanwhile; null: nobody does.</param>
    /// <returns>The file; null when it was given up.</returns>
    /// <exception cref="IOException">The disk, or another daemon uses the directory.</exception>
    /// <exception cref="InvalidDataException">The key.</exception>
    /// <exception cref="NativeException">The pipe.</exception>
    public TaskCheckpoint? Write(TaskId task, bool durable, int pipe, WorkerShape shape, Task<CheckpointState?> state, CallSender? sender)
    {
        Hold();
        var path = NewPath(task, durable);
        var beside = path + Unfinished;
        try
        {
            if (!TryWrite(path, durable, pipe, shape, state, sender))
            {
                File.Delete(beside);
                return null;
            }

            File.Move(beside, path);
            if (durable)
            {
                NodeKey.Sync(directory);
            }

            return new TaskCheckpoint(path, new FileInfo(path).Length, DateTimeOffset.UtcNow);
        }
        catch
        {
            File.Delete(beside);
            File.Delete(path);
            throw;
        }
    }

    /// <summary>Reads all of a file, and keeps its description. One that has just arrived was read then.</summary>
    /// <exception cref="InvalidDataException">What is wrong with it.</exception>
    public CheckpointState ReadState(string path)
    {
        if (Recall(path) is { } arrived)
        {
            return arrived;
        }

        using var description = new MemoryStream();
        Visit(path, (kind, piece) =>
        {
            if (kind == CheckpointFile.Kind.State)
            {
                description.Write(piece);
            }

            return true;
        });
        return CheckpointState.Decode(description.ToArray());
    }

    /// <summary>The file of a task of an earlier start, read to its end.</summary>
    /// <exception cref="IOException">It is not there, or cannot be read.</exception>
    /// <exception cref="InvalidDataException">It is damaged, or of something else.</exception>
    public TaskCheckpoint Find(string name, TaskId task, string image, string profile)
    {
        var path = Path.Combine(directory, Path.GetFileName(name));
        var state = ReadState(path);
        return state.IsOf(task, image, profile)
            ? new TaskCheckpoint(path, new FileInfo(path).Length, new DateTimeOffset(File.GetLastWriteTimeUtc(path)))
            : throw new InvalidDataException($"{path}: it is of task {state.Task}, image {state.Image} under {state.Profile}, not of image {image} under {profile}");
    }

    /// <summary>Writes the worker's memory into a pipe, as far as somebody reads it.</summary>
    /// <exception cref="InvalidDataException">What is wrong with the file.</exception>
    public void CopyStream(string path, int pipe) => Visit(path, (kind, piece) =>
    {
        if (kind != CheckpointFile.Kind.Stream)
        {
            return kind == CheckpointFile.Kind.Shape;
        }

        while (!piece.IsEmpty)
        {
            var done = Descriptors.Write(pipe, piece);
            if (done <= 0)
            {
                return false; // its reader failed, and says why
            }

            piece = piece[done..];
        }

        return true;
    });

    /// <summary>Of no effect when it is gone already. On another thread: nobody waits for the disk.</summary>
    public static void DeleteSoon(TaskCheckpoint checkpoint) => CheckpointDeletion.DeleteSoon(checkpoint.File);

    /// <summary>Removes what no task of this start stands in: files of earlier starts, and unfinished ones. Before any is written.</summary>
    /// <param name="kept">Names that the ledger knows; null: it cannot be asked, and what it may know is left.</param>
    /// <returns>Null, or why nothing was removed, or not all.</returns>
    public string? Sweep(IReadOnlySet<string>? kept)
    {
        if (!Directory.Exists(directory))
        {
            return null;
        }

        try
        {
            Hold();
            foreach (var file in Directory.GetFiles(directory))
            {
                var name = Path.GetFileName(file);
                if (name.EndsWith(Unfinished, StringComparison.Ordinal) || name.EndsWith(Volatile, StringComparison.Ordinal) || NodeKey.IsUnfinished(name)
                    || (name.EndsWith(Durable, StringComparison.Ordinal) && kept?.Contains(name) == false))
                {
                    File.Delete(file);
                }
            }

            return null;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return failure.Message;
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _held?.Dispose();
            _held = null;
        }
    }

    private string NewPath(TaskId task, bool durable) =>
        Path.Combine(directory, $"{task}-{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(6))}{(durable ? Durable : Volatile)}");

    private bool TryWrite(string path, bool durable, int pipe, WorkerShape shape, Task<CheckpointState?> state, CallSender? sender)
    {
        var key = _key.Read();
        using var file = new FileStream(path + Unfinished, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = NodeKey.OwnersFile, BufferSize = 0 });
        using var writer = new CheckpointFile.Writer(file, key);
        sender?.Begin(path);
        Put(CheckpointFile.Kind.Shape, shape.Encode());
        var piece = new byte[CheckpointFile.PieceBytes - CallStream.HeadBytes]; // whole records of TLS, with its head
        for (var got = Descriptors.Read(pipe, piece); got > 0; got = Descriptors.Read(pipe, piece))
        {
            Put(CheckpointFile.Kind.Stream, piece.AsSpan(0, got));
        }

        if (state.GetAwaiter().GetResult() is not { } description)
        {
            return false;
        }

        for (ReadOnlySpan<byte> rest = description.Encode(); !rest.IsEmpty; rest = rest[Math.Min(CheckpointFile.PieceBytes, rest.Length)..])
        {
            Put(CheckpointFile.Kind.State, rest[..Math.Min(CheckpointFile.PieceBytes, rest.Length)]);
        }

        Put(CheckpointFile.Kind.End, []);
        file.Flush(flushToDisk: durable);
        return true;

        // Who takes it goes on while it is encrypted for the disk.
        void Put(CheckpointFile.Kind kind, ReadOnlySpan<byte> bytes)
        {
            sender?.Write(kind, bytes);
            writer.Write(kind, bytes);
        }
    }

    private void Visit(string path, CheckpointFile.Visitor visit)
    {
        Hold();
        using var file = new FileStream(path, new FileStreamOptions { Mode = FileMode.Open, Access = FileAccess.Read, BufferSize = 1 << 18 });
        if (CheckpointFile.Read(file, _key.Read(), visit) is { } wrong)
        {
            throw new InvalidDataException($"{path}: {wrong}");
        }
    }

    /// <summary>Makes the directory at the first use, and keeps other daemons away from it: they would sweep our files, and we theirs.</summary>
    private void Hold()
    {
        lock (_lock)
        {
            if (_held is not null)
            {
                return;
            }

            Directory.CreateDirectory(directory, NodeKey.OwnersDirectory);
            try
            {
                _held = new FileStream(
                    Path.Combine(directory, "lock"), new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.None, UnixCreateMode = NodeKey.OwnersFile });
            }
            catch (IOException failure)
            {
                throw new IOException($"{directory} is used by another daemon ({failure.Message})", failure);
            }
        }
    }
}
