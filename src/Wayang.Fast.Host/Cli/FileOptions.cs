using System.CommandLine;

namespace Wayang.Fast.Host.Cli;

/// <summary>What the command line says of a command's files and environment.</summary>
/// <param name="Inputs">FILE[:NAME] or DIRECTORY[:NAME].</param>
/// <param name="Secrets">NAME=@FILE or NAME=env:VARIABLE.</param>
/// <param name="Environment">NAME=VALUE.</param>
internal sealed record FileArguments(
    IReadOnlyList<string> Inputs, IReadOnlyList<string> Secrets, IReadOnlyList<string> Environment, string? WorkingDirectory, bool Collect)
{
    public static FileArguments None { get; } = new([], [], [], WorkingDirectory: null, Collect: false);
}

/// <summary>The options about a command's files and environment, which <c>run</c> and <c>submit</c> share.</summary>
internal sealed class FileOptions
{
    /// <summary>Of <c>run</c> alone: it is there when the task ends.</summary>
    public static readonly Option<string?> Out = new("--out")
    {
        Description = "Fetch what the command leaves in out/ of its working directory into this directory.",
        HelpName = "DIRECTORY",
    };

    private readonly Option<string[]> inputs = new("--input")
    {
        Description = "A file for the command's working directory, under its own name or another; of a directory all files. Repeatable.",
        HelpName = "FILE[:NAME]",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
    };

    private readonly Option<string[]> secrets = new("--secret")
    {
        Description = "A secret that the command reads at /run/secrets/NAME: from a file or a variable, never from the command line. Repeatable.",
        HelpName = "NAME=@FILE|NAME=env:VARIABLE",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
    };

    private readonly Option<string[]> environment = new("--env")
    {
        Description = "A variable of the command's; it starts with PATH, HOME and LANG alone. Repeatable.",
        HelpName = "NAME=VALUE",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
    };

    private readonly Option<string?> workingDirectory = new("--cwd")
    {
        Description = "The command's working directory inside its sandbox; default /tmp.",
        HelpName = "DIRECTORY",
    };

    private readonly Option<bool> artifacts = new("--artifacts")
    {
        Description = "Keep what the command leaves in out/ of its working directory; 'wayang artifacts' fetches it.",
    };

    public void AddTo(Command command)
    {
        command.Options.Add(inputs);
        command.Options.Add(secrets);
        command.Options.Add(environment);
        command.Options.Add(workingDirectory);
        command.Options.Add(artifacts);
    }

    /// <exception cref="CommandException">They were given for a function.</exception>
    public FileArguments Read(ParseResult result, bool isCommand)
    {
        var read = new FileArguments(
            result.GetValue(inputs) ?? [],
            result.GetValue(secrets) ?? [],
            result.GetValue(environment) ?? [],
            result.GetValue(workingDirectory),
            result.GetValue(artifacts) || (result.CommandResult.Command.Options.Contains(Out) && result.GetValue(Out) is not null));
        if (!isCommand && (read.Inputs.Count + read.Secrets.Count + read.Environment.Count > 0 || read.WorkingDirectory is not null || read.Collect))
        {
            throw new CommandException(
                "--input, --secret, --env, --cwd, --artifacts and --out belong to commands",
                $"Write: wayang {result.CommandResult.Command.Name} --input FILE -- COMMAND. A function gets its input by --data.",
                ExitCodes.Usage);
        }

        return read;
    }
}
