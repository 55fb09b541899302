#pragma warning disable CA1416 // The runtime is Linux only: files have modes here.
using System.Text;

namespace Wayang.Fast.Host.Oci;

/// <summary>
/// The tree that layers are applied to: a directory that nobody else can reach while it grows, so that what was looked at is what is used. Names come from whoever
/// made the image; each part of one is looked at before the next, links on the way are followed as the image itself would see them, and none leads out.
/// </summary>
internal sealed class LayerTree(string root, string layer)
{
    /// <summary>The parts of an entry's name; none for the root itself.</summary>
    /// <exception cref="OciException">The name is absolute, climbs, or is too long.</exception>
    public IReadOnlyList<string> Parts(string name, string entry)
    {
        if (name.Length == 0 || name[0] == '/')
        {
            throw Escape(entry, name.Length == 0 ? "has no name" : "an absolute name");
        }

        if (name.Contains('\0', StringComparison.Ordinal) || Encoding.UTF8.GetByteCount(name) > OciBounds.MaxPathBytes)
        {
            throw new OciException(OciFault.TooLarge, $"a name with a NUL or of over {OciBounds.MaxPathBytes} bytes", layer, entry);
        }

        var parts = name.Split('/').Where(static p => p is not ("" or ".")).ToList();
        return parts.Contains("..", StringComparer.Ordinal) ? throw Escape(entry, "a name with '..'")
            : parts.Exists(static p => Encoding.UTF8.GetByteCount(p) > OciBounds.MaxNameBytes)
                ? throw new OciException(OciFault.TooLarge, $"a part of its name has over {OciBounds.MaxNameBytes} bytes", layer, entry)
            : parts;
    }

    /// <summary>Where an entry stands: its parent is a real directory of the tree, made if it is missing; the last part is not followed.</summary>
    public string Place(IReadOnlyList<string> parts, string entry, bool makeParents = true)
    {
        var at = root;
        var left = new Stack<string>(parts.Take(parts.Count - 1).Reverse());
        var links = 0;
        while (left.TryPop(out var part))
        {
            if (part == "..")
            {
                at = at == root ? throw Escape(entry, "a link on its way leads out of the image") : Path.GetDirectoryName(at)!;
                continue;
            }

            var next = Path.Combine(at, part);
            switch (KindOf(next))
            {
                case EntryKind.Directory:
                    at = next;
                    break;
                case EntryKind.Link:
                    if (++links > OciBounds.MaxLinks)
                    {
                        throw Escape(entry, $"over {OciBounds.MaxLinks} links on its way");
                    }

                    at = Follow(new FileInfo(next).LinkTarget!, at, left);
                    break;
                case EntryKind.None when makeParents:
                    Directory.CreateDirectory(next, DirectoryMode);
                    at = next;
                    break;
                default:
                    throw new OciException(OciFault.Malformed, makeParents ? "a file stands where its directory should be" : "it is not there", layer, entry);
            }
        }

        return Path.Combine(at, parts[^1]);
    }

    /// <summary>Removes what stands at a place, whatever it is; links are not followed.</summary>
    public static void Remove(string path)
    {
        switch (KindOf(path))
        {
            case EntryKind.Directory:
                Directory.Delete(path, recursive: true);
                break;
            case EntryKind.File or EntryKind.Link:
                File.Delete(path);
                break;
        }
    }

    public static EntryKind KindOf(string path)
    {
        var info = new FileInfo(path);
        return info.LinkTarget is not null ? EntryKind.Link
            : Directory.Exists(path) ? EntryKind.Directory
            : info.Exists ? EntryKind.File
            : EntryKind.None;
    }

    /// <summary>Nobody but its owner writes what a root is made of.</summary>
    public const UnixFileMode DirectoryMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    /// <summary>An absolute target begins at the image's root, as it does for who runs in it.</summary>
    private string Follow(string target, string at, Stack<string> left)
    {
        foreach (var part in target.Split('/').Where(static p => p is not ("" or ".")).Reverse())
        {
            left.Push(part);
        }

        return target.StartsWith('/') ? root : at;
    }

    private OciException Escape(string entry, string why) => new(OciFault.Escape, $"{why}; the image was made to reach outside of itself, or is broken", layer, entry);
}

/// <summary>What stands at a place of a tree; links are not followed.</summary>
internal enum EntryKind
{
    None,
    File,
    Directory,
    Link,
}
