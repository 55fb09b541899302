using System.Globalization;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Host.Configuration;
using Wayang.Fast.Host.Oci;

namespace Wayang.Fast.Host.Doctor;

/// <summary>What others than its owner may do with a file of the runtime's.</summary>
internal enum FileRule
{
    /// <summary>Nobody else may write it.</summary>
    Closed,

    /// <summary>Nobody else may read or write it; a group may read it.</summary>
    Secret,

    /// <summary>Everybody but owner and group is kept out.</summary>
    Socket,
}

/// <param name="What">For people: what it is to the runtime.</param>
/// <param name="Owners">Who may have it, beside root and whoever asks.</param>
internal sealed record OwnFile(string Path, string What, FileRule Rule, params IReadOnlyList<uint> Owners);

/// <summary>The files and sockets of a runtime, by its configuration, and what their owner and mode have to be.</summary>
internal static class RuntimeFiles
{
    private const uint DaemonUid = 1_900_000_000; // native/keeper/keeper.h
    private const int MaxStateFiles = 10_000;
    private const int OthersWrite = 0x02;
    private const int OthersAny = 0x07;
    private const int GroupWrite = 0x10;

    public static IReadOnlyList<OwnFile> Of(FileSettings settings, string? configuration, string socket)
    {
        List<OwnFile> files = [new(socket, "the runtime's socket", FileRule.Socket, DaemonUid), new(Path.GetDirectoryName(socket)!, "the directory of its socket", FileRule.Socket, DaemonUid)];
        void Add(string? path, string what, FileRule rule)
        {
            if (!string.IsNullOrEmpty(path))
            {
                files.Add(new OwnFile(Path.GetFullPath(path), what, rule, DaemonUid));
            }
        }

        Add(configuration, "the configuration", FileRule.Closed);
        Add(settings.RpcTcp.TokensFile, "the file of tokens", FileRule.Secret);
        Add(settings.Tls.KeyFile, "the key of its certificate", FileRule.Secret);
        Add(settings.Tls.CertificateFile, "its certificate", FileRule.Closed);
        Add(settings.Tls.ClientAuthorityFile, "the authority of callers", FileRule.Closed);
        Add(settings.Grpc.SocketPath, "the socket of gRPC", FileRule.Socket);
        Add(settings.Rest.SocketPath, "the socket of REST", FileRule.Socket);
        Add(settings.StateDirectory, "the state directory", FileRule.Secret);
        foreach (var image in settings.Images)
        {
            Add(image.File, $"the file of image '{image.Name}'", FileRule.Closed);
        }

        files.AddRange(StateFiles(settings.StateDirectory).Select(static path => new OwnFile(path, "a file of the state directory", FileRule.Secret, DaemonUid)));
        return files;
    }

    /// <summary>Roots that images name, and what layouts were unpacked to.</summary>
    public static IReadOnlyList<string> TreesOf(FileSettings settings)
    {
        var store = settings.OciStore.Length > 0 ? settings.OciStore : OciStore.DefaultDirectory(RuntimeDirectories.EffectiveUid);
        var unpacked = settings.Images.Any(static i => i.Layout is not null) && Directory.Exists(store) ? Directory.GetDirectories(store, "sha256-*") : [];
        return [.. settings.Images.Select(static i => i.Rootfs).OfType<string>(), .. unpacked];
    }

    /// <param name="answers">One for each, in their order; empty: nobody looked.</param>
    public static IEnumerable<FindingInfo> Judge(IReadOnlyList<OwnFile> files, IReadOnlyList<ProbeAnswer> answers)
    {
        for (var i = 0; i < answers.Count; i++)
        {
            if (Judge(files[i], answers[i]) is { } finding)
            {
                yield return finding;
            }
        }
    }

    private static FindingInfo? Judge(OwnFile file, ProbeAnswer answer)
    {
        if (answer.Holds is not true)
        {
            return answer.Value == "absent" ? null : new("warning", file.Path, $"{file.What} cannot be looked at: {answer.Value}", "Scan as root, or as whoever started the runtime.");
        }

        var fields = answer.Value.Split(' ');
        var owner = uint.Parse(fields[0], CultureInfo.InvariantCulture);
        var mode = Convert.ToInt32(fields[2], 8);
        if (fields[3] == "link")
        {
            return null; // whoever may change where it leads may write its directory: that is judged by who has it
        }

        if (owner != 0 && owner != RuntimeDirectories.EffectiveUid && !file.Owners.Contains(owner))
        {
            return new("critical", file.Path, string.Create(CultureInfo.InvariantCulture, $"{file.What} belongs to uid {owner}"), "chown it to root, or to whoever starts the runtime, and look at what it holds.");
        }

        var sticky = fields[3] == "directory" && (mode & 0x200) != 0;
        return file.Rule switch
        {
            FileRule.Socket when fields[3] == "socket" && (mode & OthersWrite) != 0 =>
                new("critical", file.Path, $"everybody on this host may connect to {file.What} (mode {fields[2]})", "chmod o-w, or start the runtime again: it makes its sockets anew."),
            FileRule.Socket when fields[3] == "directory" && !sticky && (mode & OthersWrite) != 0 =>
                new("critical", file.Path, $"everybody on this host may put a socket in the place of the runtime's (mode {fields[2]})", "chmod o-w."),
            FileRule.Socket => null,
            FileRule.Secret when (mode & OthersAny) != 0 || (mode & GroupWrite) != 0 =>
                new("critical", file.Path, $"others may {((mode & (OthersWrite | GroupWrite)) != 0 ? "write" : "read")} {file.What} (mode {fields[2]})", "chmod go-w,o-rwx, and take what it holds as known: make it anew."),
            FileRule.Closed when !sticky && (mode & OthersWrite) != 0 =>
                new("critical", file.Path, $"everybody on this host may write {file.What} (mode {fields[2]})", "chmod o-w, and look at what it holds."),
            _ => null,
        };
    }

    private static IEnumerable<string> StateFiles(string directory)
    {
        var all = new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true, AttributesToSkip = FileAttributes.ReparsePoint };
        return directory.Length > 0 && Directory.Exists(directory) ? Directory.EnumerateFileSystemEntries(directory, "*", all).Take(MaxStateFiles) : [];
    }
}
