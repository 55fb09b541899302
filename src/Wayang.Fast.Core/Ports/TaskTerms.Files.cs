using System.Security.Cryptography;

namespace Wayang.Fast.Core.Ports;

/// <content>Files: what a command finds in its working directory, its secrets, and what it may leave. Commands only.</content>
public sealed partial record TaskTerms
{
    /// <summary>Written into the working directory before the command begins.</summary>
    public IReadOnlyList<InputFile> Inputs { get; init; } = [];

    /// <summary>Files below /run/secrets, in memory alone.</summary>
    public IReadOnlyList<TaskSecret> Secrets { get; init; } = [];

    /// <summary>What is collected from out/ of the working directory at the end; null: nothing.</summary>
    public ArtifactBounds? Artifacts { get; init; }

    /// <summary>Of a command: it may save a state in a file (migration: cooperative).</summary>
    public bool SavesFile => Migration == Contracts.Tasks.TaskMigration.Cooperative;

    public bool HasFiles => Inputs.Count > 0 || Secrets.Count > 0 || Artifacts is not null;

    /// <summary>Bytes of inputs and secrets: admission counts them as the task's input.</summary>
    public int StagedBytes
    {
        get
        {
            var bytes = 0L;
            foreach (var input in Inputs)
            {
                bytes += input.Content.Length;
            }

            foreach (var secret in Secrets)
            {
                bytes += secret.Value.Length;
            }

            return (int)Math.Min(int.MaxValue, bytes);
        }
    }

    /// <summary>What an ended task still needs: no inputs, whose memory goes back, and no secrets, whose bytes are overwritten. Once; an attempt that is repeated has not ended.</summary>
    public TaskTerms Spent()
    {
        foreach (var secret in Secrets)
        {
            CryptographicOperations.ZeroMemory(secret.Value);
        }

        foreach (var input in Inputs)
        {
            input.Content.Release();
        }

        return Inputs.Count == 0 && Secrets.Count == 0 ? this : this with { Inputs = [], Secrets = [] };
    }
}

/// <param name="Path">Relative, parts separated by '/', none of them empty, "." or "..".</param>
/// <param name="Mode">Permissions, at most 0777.</param>
public sealed record InputFile(string Path, int Mode, FileContent Content);

/// <summary>A secret; its bytes belong to the task and are overwritten at its end. Its text never tells the value.</summary>
public sealed record TaskSecret(string Name, byte[] Value)
{
    public override string ToString() => Name;
}

/// <summary>What is over a bound is left out, and told.</summary>
public sealed record ArtifactBounds(int MaxFiles, long MaxBytes);

/// <summary>What a command left in out/. Immutable; kept as long as its record.</summary>
/// <param name="Files">By name.</param>
/// <param name="LeftOut">Entries over the bounds, or that are no regular files.</param>
/// <param name="LeftOutBytes">Bytes of these, as far as they are known.</param>
/// <param name="Problem">Why some may be missing; null: none is.</param>
public sealed record TaskArtifacts(IReadOnlyList<TaskArtifact> Files, long LeftOut, long LeftOutBytes, string? Problem)
{
    public long TotalBytes { get; } = Files.Sum(static file => (long)file.Content.Length);

    public TaskArtifact? Find(string name) => Files.FirstOrDefault(file => string.Equals(file.Name, name, StringComparison.Ordinal));
}

/// <param name="Name">Path below out/.</param>
/// <param name="Sha256">In lower-case hex, of the content as it arrived.</param>
public sealed record TaskArtifact(string Name, ReadOnlyMemory<byte> Content, string Sha256);
