#pragma warning disable CA1416 // The runtime is Linux only: files have modes here.
using System.Security.Cryptography;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Checkpoints;

/// <summary>
/// The node's directory of checkpoints and its key, made at the first use. A file appears whole: written beside, flushed to the disk, renamed. Thread-safe;
/// blocks on the disk, so none of the runtime's own threads calls what writes or reads.
/// </summary>
internal sealed class CheckpointStore(string directory)
{
    private const int KeyBytes = 32;
    private const UnixFileMode OwnersDirectory = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode OwnersFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly Lock _lock = new();
    private byte[]? _key;

    /// <summary>Where the checkpoint of a task stands.</summary>
    public string PathOf(TaskId task) => Path.Combine(directory, $"{task}.checkpoint");

    /// <summary>Writes what comes through a pipe, then the description that is known once it ended.</summary>
    /// <param name="task">Whose.</param>
    /// <param name="pipe">The end that is read; stays the caller's.</param>
    /// <param name="state">Null: it is given up, and nothing is left of it.</param>
    /// <returns>The file; null when it was given up.</returns>
    /// <exception cref="IOException">The disk, or the key.</exception>
    /// <exception cref="NativeException">The pipe.</exception>
    public TaskCheckpoint? Write(TaskId task, int pipe, Task<CheckpointState?> state)
    {
        var path = PathOf(task);
        var beside = path + ".part";
        try
        {
            var key = Key();
            using (var file = new FileStream(beside, new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, UnixCreateMode = OwnersFile, BufferSize = 1 << 18 }))
            {
                using var writer = new CheckpointFile.Writer(file, key);
                var piece = new byte[CheckpointFile.PieceBytes];
                for (var got = Descriptors.Read(pipe, piece); got > 0; got = Descriptors.Read(pipe, piece))
                {
                    writer.Write(CheckpointFile.Kind.Stream, piece.AsSpan(0, got));
                }

                if (state.GetAwaiter().GetResult() is not { } description)
                {
                    file.Close();
                    File.Delete(beside);
                    return null;
                }

                writer.WriteAll(CheckpointFile.Kind.State, description.Encode());
                writer.Write(CheckpointFile.Kind.End, []);
                file.Flush(flushToDisk: true);
            }

            File.Move(beside, path, overwrite: true);
            return new TaskCheckpoint(path, new FileInfo(path).Length, DateTimeOffset.UtcNow);
        }
        catch
        {
            File.Delete(beside);
            throw;
        }
    }

    /// <summary>Reads all of a file, and keeps its description.</summary>
    /// <exception cref="InvalidDataException">What is wrong with it.</exception>
    public CheckpointState ReadState(string path)
    {
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

    /// <summary>Writes the worker's memory into a pipe, as far as somebody reads it.</summary>
    /// <exception cref="InvalidDataException">What is wrong with the file.</exception>
    public void CopyStream(string path, int pipe) => Visit(path, (kind, piece) =>
    {
        if (kind != CheckpointFile.Kind.Stream)
        {
            return false;
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

    /// <summary>Of no effect when it is gone already.</summary>
    public static void Delete(TaskCheckpoint checkpoint)
    {
        try
        {
            File.Delete(checkpoint.File);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // It is told by its name beside a task that is no more; whoever looks at the directory can remove it.
        }
    }

    private void Visit(string path, CheckpointFile.Visitor visit)
    {
        using var file = new FileStream(path, new FileStreamOptions { Mode = FileMode.Open, Access = FileAccess.Read, BufferSize = 1 << 18 });
        if (CheckpointFile.Read(file, Key(), visit) is { } wrong)
        {
            throw new InvalidDataException($"{path}: {wrong}");
        }
    }

    private byte[] Key()
    {
        lock (_lock)
        {
            return _key ??= ReadOrMakeKey();
        }
    }

    private byte[] ReadOrMakeKey()
    {
        Directory.CreateDirectory(directory, OwnersDirectory);
        var path = Path.Combine(directory, "node.key");
        if (!File.Exists(path))
        {
            var beside = $"{path}.{Environment.ProcessId}";
            using (var file = new FileStream(beside, new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, UnixCreateMode = OwnersFile }))
            {
                file.Write(RandomNumberGenerator.GetBytes(KeyBytes));
                file.Flush(flushToDisk: true);
            }

            File.Move(beside, path);
        }

        var key = File.ReadAllBytes(path);
        return key.Length == KeyBytes && (File.GetUnixFileMode(path) & ~OwnersFile) == UnixFileMode.None
            ? key
            : throw new InvalidDataException($"{path} must hold {KeyBytes} bytes that its owner alone can read (mode 0600)");
    }
}
