using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;

using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Host.Cli;

/// <summary><c>wayang drain</c>: lets the node end its work without losing any.</summary>
internal static class DrainCommand
{
    /// <summary>How long one question waits: the rhythm of what is told.</summary>
    private static readonly TimeSpan s_wait = TimeSpan.FromSeconds(1);

    private static readonly Option<string?> To = new("--to") { Description = "The only peer where calls go; default: those that have room.", HelpName = "NODE" };

    private static readonly Option<string?> Timeout = new("--timeout") { Description = "How long to wait for the end: a number with ms, s, m or h; default: until it is there.", HelpName = "TIME" };

    private static readonly Option<bool> Undo = new("--undo") { Description = "The node takes work again; what moved stays where it went." };

    public static Command Build()
    {
        var command = new Command("drain", "Lets the node end its work without losing any: it takes nothing new, what can move goes to peers, the rest ends here.") { To, Timeout, Undo };
        DetailedHelp.Describe(
            command,
            """
            Calls that can be moved (wayang migrate --help) go to peers with room; those of other nodes go home; what waits begins in the slots that become free; commands and all else end here. The node keeps
            the records of its calls that went to peers, and tells their ends: it is drained when these have come too, unless they are durable. Then it may be stopped. A node that is started anew takes work.

            Ends with 124 when --timeout ran out, having said what stays and why; the node goes on draining.

            Examples:
              wayang drain --timeout 10m
              wayang drain --to blue --json
              wayang drain --undo
            """);
        command.SetAction(static async (result, cancellation) =>
        {
            var (to, undo, json) = (result.GetValue(To), result.GetValue(Undo), result.GetValue(ClientOptions.Json));
            if (undo && (to is not null || result.GetValue(Timeout) is not null))
            {
                throw new CommandException("--undo stands alone", "Give --undo, or --to and --timeout.", ExitCodes.Usage);
            }

            var timeout = DurationText.Read("--timeout", result.GetValue(Timeout));
            var session = await RuntimeSession.ConnectAsync(result.GetValue(ClientOptions.Socket), cancellation);
            await using (session)
            {
                var progress = undo ? await session.Client.UndoDrainAsync(cancellation) : await FollowAsync(session.Client, to, timeout, json, cancellation);
                Tell(progress, json);
                return undo || progress.State == DrainState.Drained ? ExitCodes.Success : ExitCodes.TimedOut;
            }
        });
        return command;
    }

    /// <summary>Says on standard error how far it is, whenever that is another.</summary>
    private static async Task<DrainProgress> FollowAsync(WayangClient client, string? to, TimeSpan? timeout, bool json, CancellationToken cancellation)
    {
        var since = Stopwatch.StartNew();
        var said = string.Empty;
        while (true)
        {
            var left = timeout is { } bound ? bound - since.Elapsed : s_wait;
            var progress = await client.DrainAsync(to, left < TimeSpan.Zero ? TimeSpan.Zero : left < s_wait ? left : s_wait, cancellation);
            if (progress.State == DrainState.Drained || (timeout is not null && since.Elapsed >= timeout))
            {
                return progress;
            }

            if (!json && Line(progress) is var line && !string.Equals(line, said, StringComparison.Ordinal))
            {
                said = line;
                await Console.Error.WriteLineAsync(line);
            }
        }
    }

    private static string Line(DrainProgress progress) => FormattableString.Invariant(
        $"{WireNames.Text(progress.State)}: {progress.Moved} moved to peers, {progress.GivenBack} went home; {progress.Running} run and {progress.Queued} wait here, {progress.Away} go on at peers");

    private static void Tell(DrainProgress progress, bool json)
    {
        if (json)
        {
            JsonText.Print(writer => Write(writer, progress));
            return;
        }

        Console.Out.WriteLine(Line(progress));
        Console.Out.WriteLine(progress.State switch
        {
            DrainState.Serving => "the node takes work",
            DrainState.Drained => "the node may be stopped: nothing is lost by it",
            DrainState.Idle => "nothing runs here; the ends of calls at peers are awaited, which would be lost if the node stopped",
            _ => "the node goes on draining ('wayang drain --undo' ends that)",
        });
        foreach (var task in progress.Staying)
        {
            Console.Out.WriteLine($"  {task.Task} {WireNames.Text(task.State)}: {task.Reason}");
        }
    }

    private static void Write(Utf8JsonWriter writer, DrainProgress progress)
    {
        writer.WriteStartObject();
        writer.WriteString("state", WireNames.Text(progress.State));
        if (progress.Since is { } since)
        {
            writer.WriteString("since", since);
        }

        writer.WriteNumber("moved", progress.Moved);
        writer.WriteNumber("given_back", progress.GivenBack);
        writer.WriteNumber("running", progress.Running);
        writer.WriteNumber("queued", progress.Queued);
        writer.WriteNumber("away", progress.Away);
        writer.WriteStartArray("staying");
        foreach (var task in progress.Staying)
        {
            writer.WriteStartObject();
            writer.WriteString("task", task.Task.ToString());
            writer.WriteString("state", WireNames.Text(task.State));
            writer.WriteString("reason", task.Reason);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }
}
