using System.Runtime.CompilerServices;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Client;

/// <content>What tasks write.</content>
public sealed partial class WayangClient
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromMilliseconds(OperationTable.MaxWaitMs / 20);

    /// <param name="wait">Where nothing stands behind <paramref name="offset"/> yet: how long the node waits for more, or for the end.</param>
    public Task<OutputPiece> ReadOutputAsync(
        TaskId id, TaskStream stream, long offset = 0, int maxBytes = 1 << 20, TimeSpan wait = default, CancellationToken cancellation = default) =>
        CallAsync("task.output", (ref writer) => RequestEncoders.Output(ref writer, id, stream, offset, maxBytes, wait), ResponseDecoders.Piece, cancellation);

    public Task<ArtifactPiece> ReadArtifactAsync(
        TaskId id, string name, long offset = 0, int maxBytes = 1 << 20, CancellationToken cancellation = default) =>
        CallAsync("task.artifact", (ref writer) => FileEncoders.Artifact(ref writer, id, name, offset, maxBytes), FileEncoders.ArtifactPiece, cancellation);

    /// <summary>
    /// A stream from its beginning: piece after piece as the task writes them, complete to the last byte, until the task ended. The last piece
    /// has <see cref="OutputPiece.Ended"/>, and says what was cut. Without <paramref name="follow"/>: what is there now.
    /// </summary>
    public async IAsyncEnumerable<OutputPiece> ReadStreamAsync(
        TaskId id, TaskStream stream, bool follow, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        for (var offset = 0L; ;)
        {
            var piece = await ReadOutputAsync(id, stream, offset, wait: follow ? LongestWait : default, cancellation: cancellation);
            yield return piece;
            offset += piece.Data.Length;
            if ((piece.Ended || !follow) && offset >= piece.TotalBytes)
            {
                yield break;
            }
        }
    }
}
