using System.CommandLine;

namespace Wayang.Fast.Host.Cli;

/// <summary><c>wayang submit</c>: hands a task in and prints its id.</summary>
internal static class SubmitCommand
{
    private static readonly TaskOptions Options = new();

    public static Command Build()
    {
        var command = new Command("submit", "Hands a task to the running node and prints its id at once.");
        DetailedHelp.Describe(
            command,
            """
            Examples:
              id=$(wayang submit c ./text.so:count --data @README.md) && wayang wait $id
              wayang submit --class batch -- sh -c 'sleep 10; date'
            """);
        Options.AddTo(command);
        command.SetAction(static async (result, cancellation) =>
        {
            var arguments = Options.Read(result);
            var session = await RuntimeSession.ConnectAsync(result.GetValue(ClientOptions.Socket), cancellation);
            await using (session)
            {
                var spec = await TaskBuilder.BuildAsync(arguments, session.Client, cancellation);
                var id = await TaskBuilder.SubmitAsync(session.Client, spec, cancellation);
                if (result.GetValue(ClientOptions.Json))
                {
                    JsonText.Print(writer => writer.WriteString("task", id.ToString()));
                }
                else
                {
                    Console.Out.WriteLine(id);
                }
            }

            return ExitCodes.Success;
        });
        return command;
    }
}
