using System.CommandLine;

using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Host.Cli;

/// <summary>The task that a command is about.</summary>
internal static class TaskArgument
{
    public static Argument<string?> Build(bool required) => new("ID")
    {
        Description = $"A task's id: {TaskId.TextLength} characters, as 'wayang submit' prints it.",
        Arity = required ? ArgumentArity.ExactlyOne : ArgumentArity.ZeroOrOne,
    };

    public static TaskId Parse(string? text) => TaskId.TryParse(text, out var id)
        ? id
        : throw new CommandException(
            $"'{text}' is no task id", $"An id has {TaskId.TextLength} letters and digits: wayang submit prints it.", ExitCodes.Usage);
}
