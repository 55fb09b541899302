using System.CommandLine;
using System.Globalization;

using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Host.Cli;

/// <summary><c>wayang artifacts</c>: the files that a task left in out/.</summary>
internal static class ArtifactsCommand
{
    private static readonly Argument<string?> Task = TaskArgument.Build(required: true);

    private static readonly Option<string?> Out = new("--out") { Description = "Fetch them into this directory.", HelpName = "DIRECTORY" };

    public static Command Build()
    {
        var command = new Command("artifacts", "Lists or fetches the files that a task left in out/.");
        DetailedHelp.Describe(
            command,
            """
            A command that was submitted with --artifacts finds a directory out/ in its working directory; what it leaves there is kept
            with the ended task. Only regular files are collected, and links lead nowhere.

            Examples:
              id=$(wayang submit --artifacts --input main.c -- gcc -o out/main main.c) && wayang wait $id
              wayang artifacts $id
              wayang artifacts --out . $id
            """);
        command.Arguments.Add(Task);
        command.Options.Add(Out);
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult result, CancellationToken cancellation)
    {
        var id = TaskArgument.Parse(result.GetValue(Task));
        await using var session = await RuntimeSession.ConnectAsync(result.GetValue(ClientOptions.Socket), cancellation);
        var info = await session.Client.GetAsync(id, cancellation);
        if (info.Artifacts is not { } artifacts)
        {
            throw new CommandException(
                info.State < TaskState.Succeeded ? "the task has not ended" : "no artifacts of this task were asked for",
                info.State < TaskState.Succeeded ? $"Wait for it: wayang wait {id}" : "Submit it with --artifacts.");
        }

        if (result.GetValue(Out) is { } directory)
        {
            await ArtifactFiles.FetchAsync(session.Client, id, artifacts, directory, cancellation);
        }

        if (result.GetValue(ClientOptions.Json))
        {
            JsonText.Print(writer => ArtifactFiles.Write(writer, artifacts));
            return ExitCodes.Success;
        }

        foreach (var file in artifacts.Files)
        {
            Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{file.Sha256}  {file.Bytes,12}  {file.Name}"));
        }

        ArtifactFiles.Tell(artifacts);
        return ExitCodes.Success;
    }
}
