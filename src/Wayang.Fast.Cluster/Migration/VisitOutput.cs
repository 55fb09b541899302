using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Cluster.Migration;

/// <summary>The output that a call left at another node: as long as that node said, or not taken at all.</summary>
internal static class VisitOutput
{
    /// <param name="length">What the node says it is, in bytes.</param>
    /// <param name="most">What this node allows.</param>
    /// <param name="read">Fetches a piece from an offset on; empty: there is no more.</param>
    /// <returns>All of it; else why it is not taken.</returns>
    public static async Task<(byte[]? Bytes, string? Why)> ReadAsync(long length, long most, Func<long, Task<VisitPiece>> read)
    {
        if (length < 0 || length > most)
        {
            return (null, $"its output of {length} bytes there is over the {most} that this node allows (limits.payload_bytes)");
        }

        var output = new byte[length];
        for (var taken = 0; taken < output.Length;)
        {
            var piece = await read(taken).ConfigureAwait(false);
            if (piece.Data.IsEmpty || piece.Data.Length > output.Length - taken)
            {
                return (null, $"its output there is {(piece.Data.IsEmpty ? "shorter" : "longer")} than the {length} bytes that the node told");
            }

            piece.Data.CopyTo(output.AsMemory(taken));
            taken += piece.Data.Length;
        }

        return (output, null);
    }
}
