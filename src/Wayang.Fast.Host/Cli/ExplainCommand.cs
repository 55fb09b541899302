using System.CommandLine;

using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Host.Cli;

/// <summary><c>wayang explain</c>: why a task waits, or was placed as it was.</summary>
internal static class ExplainCommand
{
    private static readonly Argument<string?> Id = TaskArgument.Build(required: true);

    public static Command Build()
    {
        var command = new Command("explain", "Says in one paragraph why a task waits, or was placed as it was.")
        {
            Id,
        };
        DetailedHelp.Describe(
            command,
            """
            Example:
              wayang explain 01JD8Z0000ABCDEFGHJKMNPQRS
            """);
        command.SetAction(static async (result, cancellation) =>
        {
            var id = TaskArgument.Parse(result.GetValue(Id));
            var session = await RuntimeSession.ConnectAsync(result.GetValue(ClientOptions.Socket), cancellation);
            await using (session)
            {
                var told = await session.Client.ExplainAsync(id, cancellation);
                if (result.GetValue(ClientOptions.Json))
                {
                    JsonText.Print(writer =>
                    {
                        writer.WriteStartObject();
                        writer.WriteString("task", told.Id.ToString());
                        writer.WriteString("state", WireNames.Text(told.State));
                        writer.WriteString("text", told.Text);
                        writer.WriteEndObject();
                    });
                }
                else
                {
                    Console.Out.WriteLine(told.Text);
                }
            }

            return ExitCodes.Success;
        });
        return command;
    }
}
