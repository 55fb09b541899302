namespace Wayang.Fast.Host.Demo;

/// <summary>A real file of this machine, read once.</summary>
internal sealed record CorpusFile(string Path, byte[] Content);

/// <summary>
/// Picks real files that any Debian has: licences, documentation, time zones, Perl modules, headers. Where one folder is
/// thin (a container without documentation), the others make up for it.
/// </summary>
internal static class Corpus
{
    private const int SmallestFile = 16;
    private const int LargestFile = 128 * 1024;

    // Looking at more than this would take longer than the tasks themselves.
    private const int MostFilesLookedAt = 60_000;

    private static readonly string[] Roots = ["/usr/share", "/usr/include", "/usr/lib", "/etc"];

    private static readonly EnumerationOptions Walk = new()
    {
        RecurseSubdirectories = true,
        IgnoreInaccessible = true,
        AttributesToSkip = FileAttributes.ReparsePoint | FileAttributes.Device,
        MaxRecursionDepth = 8,
    };

    /// <summary>Up to <paramref name="wanted"/> files, spread over the folders of /usr/share first; the same ones each time.</summary>
    public static List<CorpusFile> Collect(int wanted, CancellationToken cancellation)
    {
        var files = new List<CorpusFile>(wanted);
        foreach (var root in Roots.Where(Directory.Exists))
        {
            foreach (var path in Spread(root, wanted))
            {
                cancellation.ThrowIfCancellationRequested();
                if (files.Count == wanted)
                {
                    return files;
                }

                if (TryRead(path) is { } file)
                {
                    files.Add(file);
                }
            }
        }

        return files;
    }

    /// <summary>One path of each folder in turn, so that no folder crowds out the others.</summary>
    private static IEnumerable<string> Spread(string root, int wanted)
    {
        var folders = new List<Queue<string>>();
        var direct = new EnumerationOptions { IgnoreInaccessible = true, AttributesToSkip = FileAttributes.ReparsePoint };
        foreach (var folder in Directory.EnumerateDirectories(root, "*", direct).Order(StringComparer.Ordinal))
        {
            // Sorted before it is cut: the order of a directory differs between machines.
            var inside = Directory.EnumerateFiles(folder, "*", Walk).Take(MostFilesLookedAt).Order(StringComparer.Ordinal).Take(wanted * 2);
            folders.Add(new Queue<string>(inside));
        }

        while (folders.Count > 0)
        {
            foreach (var folder in folders)
            {
                if (folder.TryDequeue(out var path))
                {
                    yield return path;
                }
            }

            folders.RemoveAll(static f => f.Count == 0);
        }
    }

    private static CorpusFile? TryRead(string path)
    {
        try
        {
            var length = new FileInfo(path).Length;
            return length is < SmallestFile or > LargestFile ? null : new CorpusFile(path, File.ReadAllBytes(path));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
