using System.CommandLine;

using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;

namespace Wayang.Fast.Host.Cli;

/// <summary><c>wayang wait</c>: waits for a task's end, prints what it wrote, exits with its code.</summary>
internal static class WaitCommand
{
    private static readonly Argument<string?> Id = TaskArgument.Build(required: true);

    private static readonly Option<string?> Timeout = new("--timeout")
    {
        Description = "Longest wait: a number with ms, s, m or h. The task runs on; the exit code is then 124.",
        HelpName = "TIME",
    };

    public static Command Build()
    {
        var command = new Command("wait", "Waits until a task has ended, prints its output and exits with its code (as 'wayang run' does).")
        {
            Id, Timeout,
        };
        DetailedHelp.Describe(
            command,
            """
            Example:
              wayang wait 01JD8Z0000ABCDEFGHJKMNPQRS --timeout 30s
            """);
        command.SetAction(WaitAsync);
        return command;
    }

    private static async Task<int> WaitAsync(ParseResult result, CancellationToken cancellation)
    {
        var id = TaskArgument.Parse(result.GetValue(Id));
        TimeSpan? longest = TaskOptions.ReadTimeout(result.GetValue(Timeout)) is { } ms ? TimeSpan.FromMilliseconds(ms) : null;
        var session = await RuntimeSession.ConnectAsync(result.GetValue(ClientOptions.Socket), cancellation);
        await using (session)
        {
            try
            {
                var ended = await session.Client.WaitAsync(id, longest, cancellation);
                return await ResultPrinter.PrintAsync(ended, result.GetValue(ClientOptions.Json));
            }
            catch (WayangException error) when (error.Code == ErrorCode.WaitTimeout)
            {
                throw new CommandException($"task {id} has not ended yet", "It runs on: wait again, or see wayang status.", ExitCodes.TimedOut);
            }
        }
    }
}
