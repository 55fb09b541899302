using System.Globalization;
using System.Text.Json;

using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Host.Cli;

/// <summary>What is said of a call that moves between nodes, while it does and afterwards.</summary>
internal static class MoveText
{
    /// <summary>Moves it; says on standard error that it does, and on standard output what it took.</summary>
    public static async Task MoveAsync(WayangClient client, TaskId id, string? node, bool json, CancellationToken cancellation)
    {
        if (!json && !Console.IsErrorRedirected)
        {
            await Console.Error.WriteLineAsync($"{id} is written down and sent {(node is null ? "home" : $"to {node}")}; it goes on where it is if that fails");
        }

        var moves = await client.MigrateAsync(id, node, cancellation);
        if (!json)
        {
            Console.Out.WriteLine($"{id} {Of(moves)}");
            return;
        }

        JsonText.Print(writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("task", id.ToString());
            WriteFields(writer, moves);
            writer.WriteEndObject();
        });
    }

    public static void Write(Utf8JsonWriter writer, TaskMoves moves)
    {
        writer.WriteStartObject("moves");
        WriteFields(writer, moves);
        writer.WriteEndObject();
    }

    public static string Of(TaskMoves moves) => string.Create(
        CultureInfo.InvariantCulture,
        $"goes on {(moves.Node is null ? "at home" : $"at node {moves.Node}")} (move {moves.Times}: {moves.Bytes / 1024.0:#,0} KiB, it stood still for {moves.Pause.TotalMilliseconds:0.0} ms)");

    private static void WriteFields(Utf8JsonWriter writer, TaskMoves moves)
    {
        if (moves.Node is { } node)
        {
            writer.WriteString("node", node);
        }

        writer.WriteNumber("times", moves.Times);
        writer.WriteNumber("bytes", moves.Bytes);
        writer.WriteNumber("pause_us", (long)moves.Pause.TotalMicroseconds);
        writer.WriteString("at", moves.At);
        writer.WriteString("why", WireNames.Text(moves.Why));
    }
}
