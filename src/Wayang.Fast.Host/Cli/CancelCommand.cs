using System.CommandLine;

namespace Wayang.Fast.Host.Cli;

/// <summary><c>wayang cancel</c>: asks a task to stop.</summary>
internal static class CancelCommand
{
    private static readonly Argument<string?> Id = TaskArgument.Build(required: false);

    private static readonly Option<string?> Group = new("--group") { Description = "Instead of a task: all tasks of this group.", HelpName = "NAME" };

    public static Command Build()
    {
        var command = new Command("cancel", "Asks a task to stop: first politely (a flag, SIGTERM), then by killing all its processes.")
        {
            Id, Group,
        };
        DetailedHelp.Describe(
            command,
            """
            Examples:
              wayang cancel 01JD8Z0000ABCDEFGHJKMNPQRS
              wayang cancel --group import
            """);
        command.SetAction(static async (result, cancellation) =>
        {
            var group = result.GetValue(Group);
            if ((group is null) == (result.GetValue(Id) is null))
            {
                throw new CommandException(
                    group is null ? "which task?" : "a task and a group", "Write: wayang cancel ID, or: wayang cancel --group NAME", ExitCodes.Usage);
            }

            var id = group is null ? TaskArgument.Parse(result.GetValue(Id)) : default;
            var session = await RuntimeSession.ConnectAsync(result.GetValue(ClientOptions.Socket), cancellation);
            await using (session)
            {
                if (group is not null)
                {
                    await GroupCommand.CancelAsync(session.Client, group, result.GetValue(ClientOptions.Json), cancellation);
                    return ExitCodes.Success;
                }

                await session.Client.CancelAsync(id, cancellation);
            }

            if (result.GetValue(ClientOptions.Json))
            {
                JsonText.Print(writer => writer.WriteString("task", id.ToString()));
            }

            return ExitCodes.Success;
        });
        return command;
    }
}
