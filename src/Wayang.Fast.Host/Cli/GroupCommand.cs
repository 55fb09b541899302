using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Host.Cli;

/// <summary><c>wayang group</c>: tasks that were submitted under one name.</summary>
internal static class GroupCommand
{
    private const int PageGroups = 1_000;

    private static readonly Option<string?> Timeout = new("--timeout")
    {
        Description = "Longest wait: a number with ms, s, m or h; default an hour. The tasks run on; the exit code is then 124.",
        HelpName = "TIME",
    };

    public static Command Build()
    {
        var wait = Build("wait", "Waits until no task of the group is left that has not ended; exits with 1 when one of them did not succeed.", WaitAsync);
        wait.Options.Add(Timeout);
        var command = new Command("group", "Tasks that were submitted with --group NAME: how many are in each state, waiting for all, cancelling all.")
        {
            BuildList(),
            Build("get", "Tells how many tasks of the group are in each state.", static async (client, name, _, cancellation) => await client.GetGroupAsync(name, cancellation)),
            wait,
            Build("cancel", "Asks all tasks of the group that have not ended to stop.", CancelAsync),
        };
        DetailedHelp.Describe(
            command,
            """
            Example:
              for f in *.csv; do wayang submit --group import -- wc -l < $f; done; wayang group wait import
            """);
        return command;
    }

    /// <summary>Asks the tasks of a group to stop, and says how many.</summary>
    public static async Task CancelAsync(WayangClient client, string name, bool json, CancellationToken cancellation)
    {
        var asked = await client.CancelGroupAsync(name, cancellation);
        if (json)
        {
            JsonText.Print(writer =>
            {
                writer.WriteString("group", name);
                writer.WriteNumber("asked", asked);
            });
        }
        else
        {
            Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{asked} tasks of group {name} were asked to stop"));
        }
    }

    private static async Task<GroupInfo?> CancelAsync(WayangClient client, string name, ParseResult result, CancellationToken cancellation)
    {
        await CancelAsync(client, name, result.GetValue(ClientOptions.Json), cancellation);
        return null;
    }

    private static async Task<GroupInfo?> WaitAsync(WayangClient client, string name, ParseResult result, CancellationToken cancellation)
    {
        try
        {
            return await client.WaitGroupAsync(name, DurationText.Read("--timeout", result.GetValue(Timeout)), cancellation);
        }
        catch (WayangException error) when (error.Code == ErrorCode.WaitTimeout)
        {
            throw new CommandException($"group {name} has tasks that have not ended", "They run on: wait again, or see wayang group get.", ExitCodes.TimedOut);
        }
    }

    private static Command BuildList()
    {
        var command = new Command("list", "Lists the groups by their names; one is remembered for a while after its last task ended.");
        DetailedHelp.Describe(command, $"Example:{Environment.NewLine}  wayang group list --json");
        command.SetAction(static async (result, cancellation) =>
        {
            var session = await RuntimeSession.ConnectAsync(result.GetValue(ClientOptions.Socket), cancellation);
            await using (session)
            {
                var groups = new List<GroupListed>();
                string? next = null;
                do
                {
                    var page = await session.Client.ListGroupsAsync(PageGroups, next, cancellation);
                    groups.AddRange(page.Groups);
                    next = page.Next;
                }
                while (next is not null);
                Print(groups, result.GetValue(ClientOptions.Json));
                return ExitCodes.Success;
            }
        });
        return command;
    }

    private static void Print(List<GroupListed> groups, bool json)
    {
        if (json)
        {
            JsonText.Print(writer =>
            {
                writer.WriteStartArray("groups");
                foreach (var group in groups)
                {
                    writer.WriteStartObject();
                    writer.WriteString("group", group.Group);
                    writer.WriteNumber("live", group.Live);
                    WriteStates(writer, "ended", group.Ended);
                    writer.WriteEndObject();
                }

                writer.WriteEndArray();
            });
            return;
        }

        foreach (var group in groups)
        {
            var ended = string.Join("  ", group.Ended.Select(static s => string.Create(CultureInfo.InvariantCulture, $"{WireNames.Text(s.Key)} {s.Value}")));
            Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{group.Group,-24}  live {group.Live}  {ended}").TrimEnd());
        }
    }

    private static void WriteStates(Utf8JsonWriter writer, string name, IReadOnlyDictionary<TaskState, long> states)
    {
        writer.WriteStartObject(name);
        foreach (var (state, count) in states)
        {
            writer.WriteNumber(WireNames.Text(state), count);
        }

        writer.WriteEndObject();
    }

    private static Command Build(string name, string description, Func<WayangClient, string, ParseResult, CancellationToken, Task<GroupInfo?>> act)
    {
        var group = new Argument<string>("NAME") { Description = "The group's name, as --group of 'wayang submit' gave it." };
        var command = new Command(name, description) { group };
        DetailedHelp.Describe(command, $"Example:{Environment.NewLine}  wayang group {name} import");
        command.SetAction(async (result, cancellation) =>
        {
            var session = await RuntimeSession.ConnectAsync(result.GetValue(ClientOptions.Socket), cancellation);
            await using (session)
            {
                var info = await act(session.Client, result.GetValue(group)!, result, cancellation);
                if (info is null)
                {
                    return ExitCodes.Success;
                }

                Print(info, result.GetValue(ClientOptions.Json));
                var failed = info.States.Any(static s => s.Key > TaskState.Succeeded && s.Value > 0);
                return name == "wait" && failed ? ExitCodes.FunctionError : ExitCodes.Success;
            }
        });
        return command;
    }

    private static void Print(GroupInfo info, bool json)
    {
        if (json)
        {
            JsonText.Print(writer =>
            {
                writer.WriteString("group", info.Group);
                WriteStates(writer, "states", info.States);
            });
            return;
        }

        foreach (var (state, count) in info.States)
        {
            Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{WireNames.Text(state),-10}  {count}"));
        }
    }
}
