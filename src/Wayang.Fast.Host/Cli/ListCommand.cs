using System.CommandLine;
using System.Globalization;

using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Host.Cli;

/// <summary><c>wayang list</c>: the tasks of the tenant, one a line.</summary>
internal static class ListCommand
{
    private static readonly Option<string?> State = new("--state")
    {
        Description = "Only those in this state (queued, running, failed, ...); by default all that have not ended.",
        HelpName = "STATE",
    };

    private static readonly Option<int?> Limit = new("--limit") { Description = "At most so many, those that have been in their state longest first; default 100.", HelpName = "COUNT" };

    public static Command Build()
    {
        var command = new Command("list", "Lists tasks: by default all that have not ended.") { State, Limit };
        DetailedHelp.Describe(
            command,
            """
            Examples:
              wayang list
              wayang list --state failed --limit 20 --json
            """);
        command.SetAction(static async (result, cancellation) =>
        {
            var state = ReadState(result.GetValue(State));
            var session = await RuntimeSession.ConnectAsync(result.GetValue(ClientOptions.Socket), cancellation);
            await using (session)
            {
                Print(await session.Client.ListTasksAsync(state, result.GetValue(Limit) ?? 100, cancellation), result.GetValue(ClientOptions.Json));
            }

            return ExitCodes.Success;
        });
        return command;
    }

    private static TaskState? ReadState(string? text)
    {
        if (text is null)
        {
            return null;
        }

        if (WireNames.TryParse<TaskState>(text, out var state) && state != TaskState.None)
        {
            return state;
        }

        var names = WireNames.All<TaskState>().Skip(1).ToList();
        var nearest = NearestName.Of(text, names);
        throw new CommandException(
            $"--state '{text}': no such state", nearest is null ? $"There are: {string.Join(", ", names)}." : $"Did you mean {nearest}?", ExitCodes.Usage);
    }

    private static void Print(IReadOnlyList<TaskInfo> tasks, bool json)
    {
        if (json)
        {
            JsonText.Print(writer =>
            {
                writer.WriteStartArray("tasks");
                foreach (var task in tasks)
                {
                    writer.WriteStartObject();
                    JsonText.WriteInfo(writer, task);
                    writer.WriteEndObject();
                }

                writer.WriteEndArray();
            });
            return;
        }

        foreach (var task in tasks)
        {
            var what = task.Kind == TaskKind.Exec ? "command" : $"{task.Image[..Math.Min(12, task.Image.Length)]}:{task.Function}";
            var priority = string.Create(CultureInfo.InvariantCulture, $"{WireNames.Text(task.Class)}/{task.Priority}");
            Console.Out.WriteLine($"{task.Id}  {LifeText.State(task),-18}  {priority,-10}  {what}{LifeText.Remark(task.Life)}");
        }
    }
}
