namespace Wayang.Fast.Contracts.Operations;

/// <param name="Path">Relative, inside the working directory.</param>
/// <param name="Mode">Permissions; null: 0644.</param>
public sealed record TaskInput(string Path, ReadOnlyMemory<byte> Data, int? Mode = null);

/// <summary>Bounds of what is collected; null: the node's defaults.</summary>
public sealed record ArtifactLimits(int? MaxFiles = null, long? MaxBytes = null);

public sealed record ArtifactInfo(string Name, long Bytes, string Sha256);

/// <param name="LeftOut">Entries over the bounds, or that are no regular files.</param>
/// <param name="Problem">Why some may be missing; null: none is.</param>
public sealed record ArtifactList(IReadOnlyList<ArtifactInfo> Files, long LeftOut, long LeftOutBytes, string? Problem);

/// <summary>What <c>task.artifact</c> answers.</summary>
/// <param name="Bytes">Of the whole file, as is <paramref name="Sha256"/>.</param>
public sealed record ArtifactPiece(ReadOnlyMemory<byte> Data, long Offset, long Bytes, string Sha256);
