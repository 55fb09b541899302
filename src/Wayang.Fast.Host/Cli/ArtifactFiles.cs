using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;

using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Host.Cli;

/// <summary>Artifacts, from the node into a directory here. Their names come from a stranger's task: none leads out of the directory.</summary>
internal static class ArtifactFiles
{
    public static async Task FetchAsync(WayangClient client, TaskId id, ArtifactList artifacts, string directory, CancellationToken cancellation)
    {
        Directory.CreateDirectory(directory);
        foreach (var artifact in artifacts.Files)
        {
            if (artifact.Name.Split('/').Any(static part => part.Length == 0 || part is "." or "..") || artifact.Name.Contains('\0', StringComparison.Ordinal))
            {
                throw new CommandException($"the node names an artifact '{artifact.Name}', which is no path below {directory}", "Nothing of it was written. Is this a node of yours?");
            }

            var path = Path.Combine(directory, artifact.Name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            await FetchAsync(client, id, artifact, path, cancellation);
        }
    }

    public static void Tell(ArtifactList artifacts)
    {
        if (artifacts.LeftOut > 0)
        {
            Console.Error.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"wayang: {artifacts.LeftOut} entries of out/ were left out ({artifacts.LeftOutBytes} bytes): over the bounds, or no regular files"));
        }

        if (artifacts.Problem is { } problem)
        {
            Console.Error.WriteLine($"wayang: artifacts may be missing: {problem}");
        }
    }

    public static void Write(Utf8JsonWriter writer, ArtifactList? artifacts)
    {
        if (artifacts is null)
        {
            return;
        }

        writer.WriteStartArray("artifacts");
        foreach (var file in artifacts.Files)
        {
            writer.WriteStartObject();
            writer.WriteString("name", file.Name);
            writer.WriteNumber("bytes", file.Bytes);
            writer.WriteString("sha256", file.Sha256);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteNumber("artifacts_left_out", artifacts.LeftOut);
        writer.WriteNumber("artifacts_left_out_bytes", artifacts.LeftOutBytes);
        if (artifacts.Problem is { } problem)
        {
            writer.WriteString("artifacts_problem", problem);
        }
    }

    private static async Task FetchAsync(WayangClient client, TaskId id, ArtifactInfo artifact, string path, CancellationToken cancellation)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        await using (var file = File.Create(path))
        {
            for (var offset = 0L; offset < artifact.Bytes;)
            {
                var piece = await client.ReadArtifactAsync(id, artifact.Name, offset, cancellation: cancellation);
                if (piece.Data.IsEmpty)
                {
                    break;
                }

                await file.WriteAsync(piece.Data, cancellation);
                hash.AppendData(piece.Data.Span);
                offset += piece.Data.Length;
            }
        }

        if (!string.Equals(Convert.ToHexStringLower(hash.GetHashAndReset()), artifact.Sha256, StringComparison.Ordinal))
        {
            throw new CommandException($"{path} is not what the node said: its sha256 differs", "Fetch it again: wayang artifacts --out DIRECTORY ID");
        }
    }
}
