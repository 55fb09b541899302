using System.CommandLine;
using System.Text;

using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Host.Cli;

/// <summary><c>wayang logs</c>: what a task wrote, or writes, each stream to its own.</summary>
internal static class LogsCommand
{
    private static readonly string[] Names = ["stdout", "stderr", "log", "output", "all"];

    private static readonly Argument<string?> Task = TaskArgument.Build(required: true);

    private static readonly Option<bool> Follow = new("--follow", "-f") { Description = "Go on until the task ended, as it writes." };

    private static readonly Option<string?> Stream = new("--stream")
    {
        Description = "stdout, stderr, log (records of a function), output (of a function), or all but output (default).",
        HelpName = "NAME",
    };

    public static Command Build()
    {
        var command = new Command("logs", "Shows what a task wrote; with -f, as it writes it.");
        DetailedHelp.Describe(
            command,
            """
            A task has three streams that are kept apart: stdout goes to standard output, stderr and the log to standard error.
            The log holds records (time, level, text) of functions: ctx.log and logging in Python, wayang_log in C.
            With -f every stream is complete to its last byte when the command ends; a stream that was cut says so.
            --json prints one object a line: {stream, offset, data}, and for the log {stream, time, level, text}.

            Examples:
              wayang logs $id
              wayang logs -f $id
              wayang logs -f --stream log --json $id | jq -r .text
            """);
        command.Arguments.Add(Task);
        command.Options.Add(Follow);
        command.Options.Add(Stream);
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult result, CancellationToken cancellation)
    {
        var id = TaskArgument.Parse(result.GetValue(Task));
        var streams = ReadStreams(result.GetValue(Stream));
        var follow = result.GetValue(Follow);
        var json = result.GetValue(ClientOptions.Json);
        await using var session = await RuntimeSession.ConnectAsync(result.GetValue(ClientOptions.Socket), cancellation);
        await System.Threading.Tasks.Task.WhenAll(streams.Select(stream => CopyAsync(session.Client, id, stream, follow, json, cancellation)));
        return ExitCodes.Success;
    }

    private static async Task CopyAsync(WayangClient client, TaskId id, TaskStream stream, bool follow, bool json, CancellationToken cancellation)
    {
        var name = WireNames.Text(stream);
        await using var to = stream is TaskStream.Stdout or TaskStream.Output || json ? Console.OpenStandardOutput() : Console.OpenStandardError();
        var (kept, dropped) = (0L, 0L);
        var rest = Array.Empty<byte>(); // of a record whose line is not complete yet
        await foreach (var piece in client.ReadStreamAsync(id, stream, follow, cancellation))
        {
            (kept, dropped) = (piece.TotalBytes, piece.DroppedBytes);
            ReadOnlyMemory<byte> data = piece.Data;
            if (stream == TaskStream.Log)
            {
                byte[] lines = [.. rest, .. data.Span];
                var whole = lines.AsSpan().LastIndexOf((byte)'\n') + 1;
                rest = lines[whole..];
                data = lines.AsMemory(0, whole);
            }

            if (!data.IsEmpty)
            {
                await to.WriteAsync(json ? Json(name, stream, piece.Offset, data.Span) : stream == TaskStream.Log ? LogText.Lines(data.Span) : data, cancellation);
                await to.FlushAsync(cancellation);
            }
        }

        ResultPrinter.TellCut(name, kept, dropped);
    }

    /// <summary>Whole lines, written in one piece: those of other streams may come in between.</summary>
    private static byte[] Json(string name, TaskStream stream, long offset, ReadOnlySpan<byte> data)
    {
        if (stream != TaskStream.Log)
        {
            var copy = data.ToArray();
            return Encoding.UTF8.GetBytes(JsonText.Line(writer =>
            {
                writer.WriteString("stream", name);
                writer.WriteNumber("offset", offset);
                JsonText.WriteBytes(writer, "data", copy);
            }) + "\n");
        }

        var text = new StringBuilder();
        foreach (var range in data.Split((byte)'\n'))
        {
            if (LogText.TryRead(data[range], out var time, out var level, out var said))
            {
                text.Append(JsonText.Line(writer =>
                {
                    writer.WriteString("stream", name);
                    LogText.Write(writer, time, level, said);
                })).Append('\n');
            }
        }

        return Encoding.UTF8.GetBytes(text.ToString());
    }

    private static TaskStream[] ReadStreams(string? name)
    {
        if (name is null or "all")
        {
            return [TaskStream.Stdout, TaskStream.Stderr, TaskStream.Log];
        }

        return WireNames.TryParse<TaskStream>(name, out var stream)
            ? [stream]
            : throw new CommandException($"--stream '{name}': there is no such stream", $"There are: {string.Join(", ", Names)}.", ExitCodes.Usage);
    }
}
