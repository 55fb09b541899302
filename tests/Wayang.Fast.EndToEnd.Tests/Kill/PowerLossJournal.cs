using System.Buffers.Binary;
using System.Text;

namespace Wayang.Fast.EndToEnd.Tests.Kill;

/// <summary>
/// What a process did to the files below a directory, as tests/native/powerloss wrote it down, and what a disk may hold when the power goes at some moment of it: of each
/// file what was synchronized, and of what was written since then nothing, all, or any of its sectors; of each directory likewise its names, in their order.
/// </summary>
internal sealed class PowerLossJournal(byte[] journal)
{
    private const int HeaderBytes = 24;
    private const int Sector = 512; // what a disk writes whole

    private enum Kind
    {
        Open = 1,
        Write,
        Truncate,
        Sync,
        Unlink,
        Rename,
        SyncDirectory,
    }

    [Flags]
    private enum Opened
    {
        Created = 1,
        Truncated = 2,
        Directory = 4,
    }

    private enum Luck
    {
        Nothing,
        All,
        Any,
    }

    /// <summary>Where a file's name stands for its content.</summary>
    private sealed record NameChange(string Name, ulong? File, string? From = null);

    private sealed record Change(long Offset, ReadOnlyMemory<byte>? Data);

    private sealed class FileState
    {
        public byte[] Safe { get; set; } = [];

        public List<Change> Open { get; } = [];

        public void Synchronize()
        {
            var content = new MemoryStream();
            content.Write(Safe);
            Open.ForEach(c => Apply(content, c));
            Safe = content.ToArray();
            Open.Clear();
        }
    }

    /// <summary>The files, by their names below the directory, that stand on the disk.</summary>
    /// <param name="length">Bytes of the journal until the power went.</param>
    /// <param name="random">Which of what was not synchronized arrived.</param>
    public Dictionary<string, byte[]> At(long length, Random random)
    {
        var files = new Dictionary<ulong, FileState>();
        var names = new Dictionary<string, ulong>(StringComparer.Ordinal);
        var open = new List<NameChange>();
        var directories = new Dictionary<ulong, string>();
        for (var at = 0; at + HeaderBytes <= length;)
        {
            var header = journal.AsSpan(at, HeaderBytes);
            var kind = (Kind)BinaryPrimitives.ReadUInt32LittleEndian(header);
            var bytes = (int)BinaryPrimitives.ReadUInt32LittleEndian(header[4..]);
            var file = BinaryPrimitives.ReadUInt64LittleEndian(header[8..]);
            var offset = BinaryPrimitives.ReadUInt64LittleEndian(header[16..]);
            var data = journal.AsMemory(at + HeaderBytes, bytes);
            at += HeaderBytes + bytes;
            switch (kind)
            {
                case Kind.Open when ((Opened)offset).HasFlag(Opened.Directory):
                    directories[file] = Text(data);
                    break;
                case Kind.Open:
                    OnOpen(files, open, file, Text(data), (Opened)offset);
                    break;
                case Kind.Write:
                    files[file].Open.Add(new Change((long)offset, data));
                    break;
                case Kind.Truncate:
                    files[file].Open.Add(new Change((long)offset, null));
                    break;
                case Kind.Sync:
                    files[file].Synchronize();
                    break;
                case Kind.Unlink:
                    open.Add(new NameChange(Text(data), null));
                    break;
                case Kind.Rename:
                    var pair = Text(data).Split('\0');
                    open.Add(new NameChange(pair[1], null, pair[0]));
                    break;
                case Kind.SyncDirectory:
                    var folder = directories[file];
                    open.FindAll(c => IsIn(folder, c.Name)).ForEach(c => Apply(names, c));
                    open.RemoveAll(c => IsIn(folder, c.Name));
                    break;
                default:
                    throw new InvalidDataException($"kind {kind} at {at}");
            }
        }

        open.GetRange(0, random.Next(open.Count + 1)).ForEach(c => Apply(names, c));
        return names.ToDictionary(static n => n.Key, n => Survive(files[n.Value], random), StringComparer.Ordinal);
    }

    private static string Text(ReadOnlyMemory<byte> bytes) => Encoding.UTF8.GetString(bytes.Span);

    private static bool IsIn(string folder, string name) => string.Equals(Path.GetDirectoryName(name)?.TrimEnd('/'), folder.TrimEnd('/'), StringComparison.Ordinal);

    private static void OnOpen(Dictionary<ulong, FileState> files, List<NameChange> open, ulong file, string name, Opened how)
    {
        if (how.HasFlag(Opened.Created))
        {
            files[file] = new FileState(); // an inode may be somebody else's second life
            open.Add(new NameChange(name, file));
        }
        else if (how.HasFlag(Opened.Truncated))
        {
            files[file].Open.Add(new Change(0, null));
        }
    }

    private static void Apply(Dictionary<string, ulong> names, NameChange change)
    {
        if (change.From is { } from)
        {
            if (names.Remove(from, out var moved))
            {
                names[change.Name] = moved;
            }
        }
        else if (change.File is { } file)
        {
            names[change.Name] = file;
        }
        else
        {
            names.Remove(change.Name);
        }
    }

    private static byte[] Survive(FileState file, Random random)
    {
        var luck = (Luck)random.Next(3);
        var content = new MemoryStream();
        content.Write(file.Safe);
        foreach (var change in luck == Luck.Nothing ? [] : file.Open)
        {
            foreach (var part in luck == Luck.All ? [change] : Sectors(change).Where(_ => random.Next(2) == 0))
            {
                Apply(content, part);
            }
        }

        return content.ToArray();
    }

    private static IEnumerable<Change> Sectors(Change change)
    {
        if (change.Data is not { } data)
        {
            yield return change;
            yield break;
        }

        for (var done = 0; done < data.Length;)
        {
            var bytes = (int)Math.Min(Sector - ((change.Offset + done) % Sector), data.Length - done);
            yield return new Change(change.Offset + done, data.Slice(done, bytes));
            done += bytes;
        }
    }

    private static void Apply(MemoryStream content, Change change)
    {
        if (change.Data is not { } data)
        {
            content.SetLength(change.Offset);
            return;
        }

        content.Position = change.Offset;
        content.Write(data.Span);
    }
}
