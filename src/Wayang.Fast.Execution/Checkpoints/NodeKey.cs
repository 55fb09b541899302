#pragma warning disable CA1416 // The runtime is Linux only: files have modes here.
using System.Security.Cryptography;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Checkpoints;

/// <summary>The key of a node's checkpoints: a file beside them that its owner alone can read, made at the first use. Thread-safe; blocks on the disk.</summary>
internal sealed class NodeKey(string directory)
{
    public const UnixFileMode OwnersDirectory = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    public const UnixFileMode OwnersFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private const int Bytes = 32;
    private const string Name = "node.key";

    private readonly Lock _lock = new();
    private byte[]? _key;

    /// <summary>Left by a daemon that was killed while it made its key.</summary>
    public static bool IsUnfinished(string name) => name.StartsWith(Name + ".", StringComparison.Ordinal);

    /// <exception cref="IOException">The disk.</exception>
    /// <exception cref="InvalidDataException">It is no key, or others can read it.</exception>
    public byte[] Read()
    {
        lock (_lock)
        {
            return _key ??= ReadOrMake();
        }
    }

    /// <summary>What was renamed in the directory stays so.</summary>
    /// <exception cref="IOException">The disk.</exception>
    public static void Sync(string directory)
    {
        try
        {
            Descriptors.SyncDirectory(directory);
        }
        catch (NativeException failure)
        {
            throw new IOException(failure.Message, failure);
        }
    }

    private byte[] ReadOrMake()
    {
        var path = Path.Combine(directory, Name);
        if (!File.Exists(path))
        {
            var beside = $"{path}.{Environment.ProcessId}";
            using (var file = new FileStream(beside, new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, UnixCreateMode = OwnersFile }))
            {
                file.Write(RandomNumberGenerator.GetBytes(Bytes));
                file.Flush(flushToDisk: true);
            }

            File.Move(beside, path);
            Sync(directory);
        }

        var key = File.ReadAllBytes(path);
        return key.Length == Bytes && (File.GetUnixFileMode(path) & ~OwnersFile) == UnixFileMode.None
            ? key
            : throw new InvalidDataException($"{path} must hold {Bytes} bytes that its owner alone can read (mode 0600)");
    }
}
