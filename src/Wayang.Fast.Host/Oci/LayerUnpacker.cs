#pragma warning disable CA1416 // The runtime is Linux only: files have modes here.
using System.Formats.Tar;
using System.IO.Compression;
using System.Security.Cryptography;

namespace Wayang.Fast.Host.Oci;

/// <summary>
/// Applies one layer after the other: files, directories, links, and the marks of what is gone. Owners do not travel (all is whoever's who unpacks), nor do setuid and
/// setgid bits, the right of others to write, extended attributes; devices and pipes are refused.
/// </summary>
internal sealed class LayerUnpacker(string root, OciBounds bounds)
{
    private const string Whiteout = ".wh.";
    private const string Opaque = ".wh..wh..opq";
    private const string OwnMark = ".wh..wh."; // of the file system that invented them

    private const UnixFileMode Kept = LayerTree.DirectoryMode;

    private long bytes;
    private int entries;

    /// <exception cref="OciException">The layer is refused; the tree is then of no use.</exception>
    public void Apply(Stream blob, OciLayer layer)
    {
        var name = layer.Blob.Digest.ToString();
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var plain = layer.IsCompressed ? new GZipStream(blob, CompressionMode.Decompress, leaveOpen: true) : blob;
        using var counted = new HashedStream(plain, hash, bounds.MaxBytes - bytes, () => TooMuch(name, null));
        try
        {
            using (var reader = new TarReader(counted, leaveOpen: true))
            {
                var tree = new LayerTree(root, name);
                var added = new HashSet<string>(StringComparer.Ordinal);
                while (reader.GetNextEntry() is { } entry)
                {
                    if (++entries > bounds.MaxFiles)
                    {
                        throw new OciException(OciFault.TooLarge, $"the image has over {bounds.MaxFiles} entries (oci.max_files)", name, entry.Name);
                    }

                    ApplyEntry(tree, entry, added, name);
                }
            }

            counted.ReadToEnd();
        }
        catch (Exception error) when (error is InvalidDataException or FormatException or EndOfStreamException or NotSupportedException or ArgumentException)
        {
            throw new OciException(OciFault.Malformed, $"is no archive that can be read: {error.Message}", name);
        }

        bytes += counted.Count;
        var digest = hash.GetHashAndReset();
        if (OciDigest.Of(digest, digest.Length) != layer.DiffId)
        {
            throw new OciException(OciFault.WrongDigest, $"its archive is not the one that the config names ({layer.DiffId})", name);
        }
    }

    private void ApplyEntry(LayerTree tree, TarEntry entry, HashSet<string> added, string layer)
    {
        if (entry.EntryType is TarEntryType.GlobalExtendedAttributes)
        {
            return;
        }

        var parts = tree.Parts(entry.Name, entry.Name);
        if (parts.Count == 0)
        {
            return; // "./": the root's own mode is ours
        }

        var last = parts[^1];
        if (last.StartsWith(Whiteout, StringComparison.Ordinal))
        {
            TakeAway(tree, parts, added, entry.Name, layer);
            return;
        }

        var path = tree.Place(parts, entry.Name);
        switch (entry.EntryType)
        {
            case TarEntryType.Directory or TarEntryType.DirectoryList:
                MakeDirectory(path, entry.Mode);
                break;
            case TarEntryType.RegularFile or TarEntryType.V7RegularFile or TarEntryType.ContiguousFile:
                LayerTree.Remove(path);
                WriteFile(path, entry);
                break;
            case TarEntryType.SymbolicLink:
                LayerTree.Remove(path);
                MakeLink(path, entry, layer);
                break;
            case TarEntryType.HardLink:
                CopyLinked(tree, path, entry, layer);
                break;
            default:
                throw new OciException(OciFault.Unsupported, $"is of type {entry.EntryType}: only files, directories and links are taken", layer, entry.Name);
        }

        for (var at = path; at.Length > root.Length && added.Add(at); at = Path.GetDirectoryName(at)!)
        {
        }
    }

    /// <summary>Marks speak of the layers below: what this one has brought stays.</summary>
    private static void TakeAway(LayerTree tree, IReadOnlyList<string> parts, HashSet<string> added, string entry, string layer)
    {
        var last = parts[^1];
        if (last == Opaque)
        {
            var directory = Path.GetDirectoryName(tree.Place(parts, entry))!;
            RemoveOlder(directory, added);
            return;
        }

        if (last.StartsWith(OwnMark, StringComparison.Ordinal))
        {
            return;
        }

        var gone = last[Whiteout.Length..];
        if (gone is "" or "." or "..")
        {
            throw new OciException(OciFault.Escape, "a mark that takes away its own directory", layer, entry);
        }

        var path = tree.Place([.. parts.Take(parts.Count - 1), gone], entry);
        if (added.Contains(path))
        {
            RemoveOlder(path, added);
        }
        else
        {
            LayerTree.Remove(path);
        }
    }

    private static void RemoveOlder(string directory, HashSet<string> added)
    {
        if (LayerTree.KindOf(directory) != EntryKind.Directory)
        {
            return;
        }

        foreach (var path in Directory.EnumerateFileSystemEntries(directory).ToList())
        {
            if (added.Contains(path))
            {
                RemoveOlder(path, added);
            }
            else
            {
                LayerTree.Remove(path);
            }
        }
    }

    private static void MakeDirectory(string path, UnixFileMode mode)
    {
        // Its owner must get in, to put there what follows and to take all of it away again.
        var kept = (mode & Kept) | UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        if (LayerTree.KindOf(path) != EntryKind.Directory)
        {
            LayerTree.Remove(path);
            Directory.CreateDirectory(path);
        }

        File.SetUnixFileMode(path, kept);
    }

    private static void WriteFile(string path, TarEntry entry)
    {
        using (var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None))
        {
            entry.DataStream?.CopyTo(file);
            File.SetUnixFileMode(file.SafeFileHandle, (entry.Mode & Kept) | UnixFileMode.UserRead);
        }

        File.SetLastWriteTimeUtc(path, entry.ModificationTime.UtcDateTime);
    }

    private static void MakeLink(string path, TarEntry entry, string layer)
    {
        if (entry.LinkName.Length == 0 || entry.LinkName.Contains('\0', StringComparison.Ordinal))
        {
            throw new OciException(OciFault.Malformed, "a link to nothing", layer, entry.Name);
        }

        File.CreateSymbolicLink(path, entry.LinkName); // wherever it points to: whoever follows it stands in the image
    }

    /// <summary>A second name becomes a copy: the same bytes, as long as nobody writes them, which nobody does.</summary>
    private void CopyLinked(LayerTree tree, string path, TarEntry entry, string layer)
    {
        var target = tree.Parts(entry.LinkName, entry.Name) is { Count: > 0 } parts ? tree.Place(parts, entry.Name, makeParents: false) : root;
        if (LayerTree.KindOf(target) != EntryKind.File)
        {
            throw new OciException(OciFault.Malformed, $"a hard link to '{OciException.Shown(entry.LinkName)}', which is no file of the image", layer, entry.Name);
        }

        bytes += new FileInfo(target).Length;
        if (bytes > bounds.MaxBytes)
        {
            throw TooMuch(layer, entry.Name);
        }

        if (path != target)
        {
            LayerTree.Remove(path);
            File.Copy(target, path);
        }
    }

    private OciException TooMuch(string layer, string? entry) =>
        new(OciFault.TooLarge, $"the image has over {bounds.MaxBytes} bytes when it is unpacked (oci.max_bytes)", layer, entry);
}
