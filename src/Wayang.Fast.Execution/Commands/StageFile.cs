using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Spawner;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Commands;

/// <summary>
/// The sealed memory file that carries a command's inputs and secrets to its init: see <c>wy_stage_header</c> in <c>native/spawner/protocol.h</c>.
/// </summary>
internal static class StageFile
{
    /// <summary>Where commands may write; a working directory with files lies there.</summary>
    private const string Writable = "/tmp";
    private const string OutDirectory = "out";
    private const uint Collect = 1;
    private const uint State = 2;
    private const int StateMode = 0x180; // 0600

    /// <summary>Where a command saves its state, below its first working directory.</summary>
    public const string StatePath = OutDirectory + "/" + StateName;

    /// <summary>The same, below out/.</summary>
    public const string StateName = ".wayang-state";
    private const uint KindInput = 1;
    private const uint KindSecret = 2;
    private const int SecretMode = 0x100; // 0400

    /// <summary>Refuses what cannot be staged, before the task gets an id.</summary>
    /// <param name="command">Null for a call, which has no files.</param>
    /// <param name="maxBytes">The bound of a payload, and so of artifacts.</param>
    public static OperationError? Validate(TaskTerms terms, CommandLine? command, long maxBytes)
    {
        if (command is null)
        {
            return Refuse(terms.Inputs.Count > 0 ? "inputs" : terms.Secrets.Count > 0 ? "secrets" : "artifacts",
                "belong to kind exec: a warm worker of functions outlives its call; hand data to a function as its data");
        }

        if (command.WorkingDirectory is { } directory && (terms.Secrets.Count == 0 || terms.Inputs.Count > 0 || terms.Artifacts is not null || terms.SavesFile)
            && !IsWritable(directory))
        {
            return Refuse("cwd", $"'{directory}' lies outside {Writable}, the only place where files of a task can be written");
        }

        if (terms.Inputs.Count + terms.Secrets.Count + (terms.SavesFile ? 1 : 0) > ProtocolLayout.StageMaxEntries)
        {
            return Refuse("inputs", $"are {terms.Inputs.Count} files with {terms.Secrets.Count} secrets; at most {ProtocolLayout.StageMaxEntries} are taken");
        }

        if (terms.Artifacts is { } bounds && bounds.MaxBytes > maxBytes)
        {
            return Refuse("artifacts.max_bytes", $"is {bounds.MaxBytes}; the bound of a payload is {maxBytes}");
        }

        return ValidateNames(terms);
    }

    /// <summary>Makes the file; the buffer that it was put together in is overwritten.</summary>
    /// <param name="terms">Of the task.</param>
    /// <param name="saved">What an earlier attempt saved; null: nothing.</param>
    /// <param name="stateBytes">What this one may save.</param>
    /// <returns>A descriptor, the caller's.</returns>
    public static int Create(TaskTerms terms, byte[]? saved = null, int stateBytes = 0)
    {
        var count = terms.Inputs.Count + terms.Secrets.Count + (saved is null ? 0 : 1);
        var head = ProtocolLayout.StageHeaderBytes + (count * ProtocolLayout.StageEntryBytes);
        var total = head + terms.StagedBytes + (saved?.Length ?? 0);
        var buffer = ArrayPool<byte>.Shared.Rent(total);
        var whole = buffer.AsSpan(0, total);
        try
        {
            whole[..head].Clear();
            BinaryPrimitives.WriteUInt32LittleEndian(whole, ProtocolLayout.StageMagic);
            BinaryPrimitives.WriteUInt32LittleEndian(whole[4..], (uint)count);
            BinaryPrimitives.WriteUInt32LittleEndian(whole[8..], (terms.Artifacts is null ? 0 : Collect) | (terms.SavesFile ? State : 0));
            BinaryPrimitives.WriteUInt32LittleEndian(whole[12..], (uint)((terms.Artifacts?.MaxFiles ?? 0) + (terms.SavesFile ? 1 : 0)));
            BinaryPrimitives.WriteUInt64LittleEndian(whole[16..], (ulong)((terms.Artifacts?.MaxBytes ?? 0) + stateBytes));
            var entry = ProtocolLayout.StageHeaderBytes;
            var content = head;
            foreach (var input in terms.Inputs)
            {
                var room = Entry(whole, ref entry, ref content, KindInput, input.Mode, input.Path, input.Content.Length);
                if (!input.Content.TryCopyTo(room))
                {
                    room.Clear(); // its task has ended, and the buffer was somebody else's
                }
            }

            if (saved is not null)
            {
                saved.CopyTo(Entry(whole, ref entry, ref content, KindInput, StateMode, StatePath, saved.Length));
            }

            foreach (var secret in terms.Secrets)
            {
                secret.Value.CopyTo(Entry(whole, ref entry, ref content, KindSecret, SecretMode, secret.Name, secret.Value.Length));
            }

            return Descriptors.CreateSealedMemory("wayang-stage", whole);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(whole);
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <returns>Where its content goes.</returns>
    private static Span<byte> Entry(Span<byte> whole, ref int entry, ref int content, uint kind, int mode, string name, int length)
    {
        var at = whole.Slice(entry, ProtocolLayout.StageEntryBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(at, kind);
        BinaryPrimitives.WriteUInt32LittleEndian(at[4..], (uint)mode);
        BinaryPrimitives.WriteUInt64LittleEndian(at[8..], (ulong)content);
        BinaryPrimitives.WriteUInt64LittleEndian(at[16..], (ulong)length);
        Encoding.UTF8.GetBytes(name, at[24..]);
        var room = whole.Slice(content, length);
        entry += ProtocolLayout.StageEntryBytes;
        content += length;
        return room;
    }

    private static bool IsWritable(string directory) =>
        (directory + "/").StartsWith(Writable + "/", StringComparison.Ordinal) && !directory.Split('/').Contains("..", StringComparer.Ordinal);

    private static OperationError? ValidateNames(TaskTerms terms)
    {
        var files = new HashSet<string>(StringComparer.Ordinal);
        var directories = new HashSet<string>(StringComparer.Ordinal);
        if (terms.Artifacts is not null || terms.SavesFile)
        {
            directories.Add(OutDirectory);
        }

        if (terms.SavesFile)
        {
            files.Add(StatePath); // an input of that name would be one file with the state
        }

        foreach (var input in terms.Inputs)
        {
            if (NameProblem(input.Path, onePart: false) is { } problem)
            {
                return Refuse("inputs", $"has the path '{input.Path}', which {problem}");
            }

            for (var slash = input.Path.IndexOf('/', StringComparison.Ordinal); slash > 0; slash = input.Path.IndexOf('/', slash + 1))
            {
                directories.Add(input.Path[..slash]);
            }

            if (!files.Add(input.Path))
            {
                return Refuse("inputs", $"has the path '{input.Path}' twice");
            }
        }

        if (files.FirstOrDefault(directories.Contains) is { } both)
        {
            return Refuse("inputs", $"has '{both}' as a file and as a directory");
        }

        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var secret in terms.Secrets)
        {
            if ((NameProblem(secret.Name, onePart: true) ?? (names.Add(secret.Name) ? null : "is given twice")) is { } problem)
            {
                return Refuse("secrets", $"has the name '{secret.Name}', which {problem}");
            }
        }

        return null;
    }

    private static string? NameProblem(string name, bool onePart) =>
        Encoding.UTF8.GetByteCount(name) >= ProtocolLayout.StageNameBytes ? $"is longer than {ProtocolLayout.StageNameBytes - 1} bytes"
        : name.Length == 0 || name.Contains('\0', StringComparison.Ordinal) ? "is empty or holds a NUL"
        : name[0] == '/' ? "is absolute: name it as it shall stand in the working directory"
        : name.Split('/').Any(static part => part.Length == 0 || part is "." or "..") ? "has an empty part, '.' or '..'"
        : onePart && name.Contains('/', StringComparison.Ordinal) ? "holds a '/'"
        : null;

    private static OperationError Refuse(string field, string why) => new(ErrorCode.InvalidArgument, $"'{field}' {why}", field);
}
