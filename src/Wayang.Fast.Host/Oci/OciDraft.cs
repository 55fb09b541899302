#pragma warning disable CA1416 // The runtime is Linux only: files have modes here.
using System.Security.Cryptography;

namespace Wayang.Fast.Host.Oci;

/// <summary>
/// A tree that is being made, beside its later place. A locked file beside it says that its maker lives: what a killed one left is taken away by whoever
/// unpacks next.
/// </summary>
internal sealed class OciDraft : IDisposable
{
    private const string Prefix = ".draft-";
    private const string LockSuffix = ".lock";

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly FileStream _lock;

    private OciDraft(string path, FileStream held)
    {
        Path = path;
        _lock = held;
    }

    /// <summary>Its directory, which its maker may rename to where it belongs.</summary>
    public string Path { get; }

    /// <summary>An empty one that only this user may look into.</summary>
    public static OciDraft Make(string store)
    {
        var path = System.IO.Path.Combine(store, Prefix + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8)));
        var held = new FileStream(path + LockSuffix, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None);
        var draft = new OciDraft(path, held);
        try
        {
            Directory.CreateDirectory(path, OwnerOnly);
            return draft;
        }
        catch
        {
            draft.Dispose();
            throw;
        }
    }

    /// <summary>Takes away what makers left that were killed.</summary>
    /// <returns>How many.</returns>
    public static int Prune(string store)
    {
        var count = 0;
        foreach (var file in Directory.EnumerateFiles(store, Prefix + "*" + LockSuffix).ToList())
        {
            try
            {
                using var held = new FileStream(file, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
                LayerTree.Remove(file[..^LockSuffix.Length]);
                File.Delete(file);
                count++;
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // Its maker is at work, or it is another user's, or somebody else takes it away right now.
            }
        }

        return count;
    }

    public void Dispose()
    {
        LayerTree.Remove(Path);
        File.Delete(_lock.Name); // while it is locked: nobody takes it for a dead one's
        _lock.Dispose();
    }
}
