using System.CommandLine;
using System.CommandLine.Parsing;

using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Host.Configuration;

namespace Wayang.Fast.Host.Cli;

/// <summary>The command line of <c>wayang</c>: parses, runs one command, turns every failure into words and an exit code.</summary>
public static class CommandLineInterface
{
    /// <summary>
    /// What <c>wayang serve --daemon</c> runs, set by the program's entry point: the command line knows nothing of how the
    /// daemon is put together.
    /// </summary>
    public static Func<ServeOptions, CancellationToken, Task<int>>? Daemon { get; set; }

    public static async Task<int> RunAsync(string[] args)
    {
        var root = Build();
        // '@file' is the input of a task here, never a list of more arguments.
        var parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parsed.Action is not DetailedHelp && Complaints(parsed).Count > 0)
        {
            return TellUsage(parsed);
        }

        try
        {
            RemoteRuntime.Read(parsed);

            // Signals are handled by the commands: the library's own handling would end us before a task is cancelled.
            return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
        }
        catch (CommandException error)
        {
            return Tell(error.Message, error.Remedy, error.ExitCode);
        }
        catch (ConfigurationException error)
        {
            return Tell(error.Message, remedy: null, error.Problems.Count == 0 ? ExitCodes.RuntimeEnded : ExitCodes.Usage);
        }
        catch (WayangException error)
        {
            return Tell(error.Message, remedy: null, ExitCodes.RuntimeEnded);
        }
        catch (OperationCanceledException)
        {
            return ExitCodes.Cancelled;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // A full disk behind standard output, a pipe whose reader left, a directory that is not ours.
            return Tell(error.Message, "Check the place that this command reads from or writes to.", ExitCodes.RuntimeEnded);
        }
    }

    internal static RootCommand Build()
    {
        var root = new RootCommand("Runs tasks, each in its own sandboxed process: functions of C plugins and commands.")
        {
            ServeCommand.Build(),
            DoctorCommand.Build(),
            RunCommand.Build(),
            SubmitCommand.Build(),
            WaitCommand.Build(),
            StatusCommand.Build(),
            ListCommand.Build(),
            ExplainCommand.Build(),
            LogsCommand.Build(),
            ArtifactsCommand.Build(),
            CancelCommand.Build(),
            PauseCommands.Pause(),
            PauseCommands.Resume(),
            PauseCommands.Checkpoint(),
            PauseCommands.Migrate(),
            PauseCommands.Update(),
            GroupCommand.Build(),
            ImagesCommand.Build(),
            EventsCommand.Build(),
            AuditCommand.Build(),
            WebhookCommand.Build(),
            NodeCommand.Build(),
            TenantsCommand.Build(),
            PeersCommand.Build(),
            DrainCommand.Build(),
            ScanCommand.Build(),
            TokenCommand.Build(),
            CertCommand.Build(),
            TopCommand.Build(),
            DemoCommand.Build(),
            ConfigCommand.Build(),
            ProfilesCommand.Build(),
        };
        DetailedHelp.Describe(
            root,
            """
            Example:
              wayang run -- sha256sum < /etc/os-release
            """);
        root.Options.Add(ClientOptions.Socket);
        root.Options.Add(ClientOptions.Endpoint);
        root.Options.Add(ClientOptions.TokenFile);
        root.Options.Add(ClientOptions.AuthorityFile);
        root.Options.Add(ClientOptions.CertificateFile);
        root.Options.Add(ClientOptions.KeyFile);
        root.Options.Add(ClientOptions.Json);
        DetailedHelp.Install(root);
        return root;
    }

    private static int TellUsage(ParseResult parsed)
    {
        foreach (var complaint in Complaints(parsed))
        {
            Console.Error.WriteLine($"wayang: {complaint}");
        }

        Console.Error.WriteLine($"        See: {FullName(parsed.CommandResult)} --help");
        return ExitCodes.Usage;
    }

    /// <summary>What is wrong with a command line; empty: nothing.</summary>
    internal static IReadOnlyList<string> Complaints(ParseResult parsed)
    {
        // A word that nobody knows says more than the command that is missing because of it, and an option more than the value behind it.
        var unknown = MistakenOptions(parsed).ToList();
        unknown = unknown.Count > 0 || parsed.Errors.Count == 0 ? unknown : [.. parsed.UnmatchedTokens];
        return unknown.Count == 0 ? [.. parsed.Errors.Select(static e => e.Message)] : [.. unknown.Select(word =>
        {
            var isOption = word.StartsWith('-');
            var nearest = NearestName.Of(word, NamesAt(parsed.CommandResult).Where(n => n[0] != '/' && n.StartsWith('-') == isOption));
            return $"no such {(isOption ? "option" : "command")}: '{word}'{(nearest is null ? "" : $"; did you mean {nearest}?")}";
        })];
    }

    /// <summary>The library takes an option that it does not know for the command's argument, where there is one that has not come yet.</summary>
    private static IEnumerable<string> MistakenOptions(ParseResult parsed) => parsed.CommandResult.Children.OfType<ArgumentResult>()
        .Where(static a => a.Argument.Arity.MaximumNumberOfValues == 1).SelectMany(static a => a.Tokens).Select(static t => t.Value).Where(static v => v.StartsWith("--", StringComparison.Ordinal));

    /// <summary>What may stand where the command stands: its options, those of the commands above it, and its subcommands.</summary>
    internal static IEnumerable<string> NamesAt(CommandResult result)
    {
        var names = result.Command.Subcommands.Where(static c => !c.Hidden).Select(static c => c.Name);
        for (SymbolResult? at = result; at is CommandResult level; at = at.Parent)
        {
            names = names.Concat(level.Command.Options.Where(static o => !o.Hidden).SelectMany(static o => o.Aliases.Prepend(o.Name)));
        }

        return names;
    }

    private static string FullName(CommandResult result) =>
        result.Parent is CommandResult parent ? $"{FullName(parent)} {result.Command.Name}" : "wayang";

    private static int Tell(string message, string? remedy, int exitCode)
    {
        Console.Error.WriteLine($"wayang: {message}");
        if (remedy is not null)
        {
            Console.Error.WriteLine($"        {remedy}");
        }

        return exitCode;
    }
}
