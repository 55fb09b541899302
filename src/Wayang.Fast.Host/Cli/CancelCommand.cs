using System.CommandLine;

namespace Wayang.Fast.Host.Cli;

/// <summary><c>wayang cancel</c>: asks a task to stop.</summary>
internal static class CancelCommand
{
    private static readonly Argument<string?> Id = TaskArgument.Build(required: true);

    public static Command Build()
    {
        var command = new Command("cancel", "Asks a task to stop: first politely (a flag, SIGTERM), then by killing all its processes.")
        {
            Id,
        };
        DetailedHelp.Describe(
            command,
            """
            Example:
              wayang cancel 01JD8Z0000ABCDEFGHJKMNPQRS
            """);
        command.SetAction(static async (result, cancellation) =>
        {
            var id = TaskArgument.Parse(result.GetValue(Id));
            var session = await RuntimeSession.ConnectAsync(result.GetValue(ClientOptions.Socket), cancellation);
            await using (session)
            {
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
