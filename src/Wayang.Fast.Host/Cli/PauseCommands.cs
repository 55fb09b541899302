using System.CommandLine;

using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Host.Cli;

/// <summary><c>wayang pause</c>, <c>checkpoint</c>, <c>migrate</c>, <c>resume</c>, <c>update</c>: what is done with a task between submission and end.</summary>
internal static class PauseCommands
{
    private static readonly Option<string?> TaskClassOption = new("--class") { Description = "Range of priorities: idle, batch, normal or urgent.", HelpName = "CLASS" };

    private static readonly Option<int?> Priority = new("--priority") { Description = "Level inside the class.", HelpName = "LEVEL" };

    private static readonly Option<string?> To = new("--to") { Description = "The peer where it is to go on.", HelpName = "NODE" };

    private static readonly Option<bool> Home = new("--home") { Description = "It comes back to the node where it was submitted." };

    private static readonly Option<string?> Timeout = new("--timeout") { Description = "Longest run: a number with ms, s, m or h.", HelpName = "TIME" };

    public static Command Pause() => Build(
        "pause", "Holds a queued task, or stops all processes of a running command. Its timeout stands still meanwhile, a deadline does not.",
        "wayang pause 01JD8Z0000ABCDEFGHJKMNPQRS",
        static (client, id, _, cancellation) => client.PauseAsync(id, cancellation));

    public static Command Resume() => Build(
        "resume", "Lets a paused task go on.", "wayang resume 01JD8Z0000ABCDEFGHJKMNPQRS",
        static (client, id, _, cancellation) => client.ResumeAsync(id, cancellation));

    public static Command Checkpoint() => Build(
        "checkpoint", "Writes a running call into a file of the node (encrypted, in the state directory) and gives its place back; 'wayang resume' lets it go on from there.",
        "wayang checkpoint 01JD8Z0000ABCDEFGHJKMNPQRS",
        static (client, id, _, cancellation) => client.CheckpointAsync(id, cancellation));

    public static Command Migrate()
    {
        var task = TaskArgument.Build(required: true);
        var command = new Command("migrate", "Lets a running call go on at another node, or at its home again.") { task };
        command.Options.Add(To);
        command.Options.Add(Home);
        DetailedHelp.Describe(
            command,
            $"""
            A call of profile compute whose image was put under migration.compute: transparent goes on at the very instruction. One that was submitted with --migration cooperative is asked to save its state, and goes on from
            that; one with --migration restart begins anew there. Commands stay where they run. If it fails, the call goes on where it was.

            Examples:
              wayang peers
              wayang migrate 01JD8Z0000ABCDEFGHJKMNPQRS --to blue
              wayang migrate 01JD8Z0000ABCDEFGHJKMNPQRS --home
            """);
        command.SetAction(async (result, cancellation) =>
        {
            var (node, home) = (result.GetValue(To), result.GetValue(Home));
            if (node is null == !home)
            {
                throw new CommandException("where to?", "Give --to NODE or --home.", ExitCodes.Usage);
            }

            var id = TaskArgument.Parse(result.GetValue(task));
            var session = await RuntimeSession.ConnectAsync(result.GetValue(ClientOptions.Socket), cancellation);
            await using (session)
            {
                await MoveText.MoveAsync(session.Client, id, node, result.GetValue(ClientOptions.Json), cancellation);
            }

            return ExitCodes.Success;
        });
        return command;
    }

    public static Command Update()
    {
        var command = Build(
            "update", "Changes what a queued task waits as; a task that was started cannot be changed.",
            "wayang update 01JD8Z0000ABCDEFGHJKMNPQRS --class urgent",
            static (client, id, result, cancellation) =>
            {
                var taskClass = TaskOptions.ReadClass(result.GetValue(TaskClassOption));
                var priority = result.GetValue(Priority);
                var timeout = DurationText.Read("--timeout", result.GetValue(Timeout));
                return taskClass is null && priority is null && timeout is null
                    ? throw new CommandException("nothing to change", "Give --class, --priority or --timeout.", ExitCodes.Usage)
                    : client.UpdateAsync(id, taskClass, priority, timeout, cancellation);
            });
        command.Options.Add(TaskClassOption);
        command.Options.Add(Priority);
        command.Options.Add(Timeout);
        return command;
    }

    private static Command Build(string name, string description, string example, Func<WayangClient, TaskId, ParseResult, CancellationToken, Task> act)
    {
        var task = TaskArgument.Build(required: true);
        var command = new Command(name, description) { task };
        DetailedHelp.Describe(command, $"Example:{Environment.NewLine}  {example}");
        command.SetAction(async (result, cancellation) =>
        {
            var id = TaskArgument.Parse(result.GetValue(task));
            var session = await RuntimeSession.ConnectAsync(result.GetValue(ClientOptions.Socket), cancellation);
            await using (session)
            {
                await act(session.Client, id, result, cancellation);
                if (result.GetValue(ClientOptions.Json))
                {
                    var info = await session.Client.GetAsync(id, cancellation);
                    JsonText.Print(writer => JsonText.WriteInfo(writer, info));
                }
            }

            return ExitCodes.Success;
        });
        return command;
    }
}
