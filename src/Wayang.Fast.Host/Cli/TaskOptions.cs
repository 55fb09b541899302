using System.CommandLine;
using System.CommandLine.Parsing;

using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Host.Cli;

/// <summary>What a task is, as the command line gives it.</summary>
/// <param name="Target">IMAGE:FUNCTION of a call; null for a command.</param>
/// <param name="Command">argv of a command; empty for a call.</param>
internal sealed record TaskArguments(
    string? Target,
    IReadOnlyList<string> Command,
    string? Data,
    string? Profile,
    TaskClass? Class,
    int? Priority,
    uint? TimeoutMs)
{
    /// <summary>What the file of a call is: c or python.</summary>
    public string ImageKind { get; init; } = ImageFile.Plugin;

    /// <summary>Modules that a Python file is loaded with.</summary>
    public IReadOnlyList<string> Preload { get; init; } = [];

    public WorkerReuse Reuse { get; init; }

    public LifeArguments? Life { get; init; }

    public TaskLimits? Limits { get; init; }
    public FileArguments Files { get; init; } = FileArguments.None;

    public bool Pure { get; init; }

    public TaskMigration? Migration { get; init; }

    /// <summary>Name of an image of kind command, which says where a command runs.</summary>
    public string? CommandImage { get; init; }

    /// <summary>HOST:PORT each.</summary>
    public IReadOnlyList<string> GrantedConnections { get; init; } = [];
}

/// <summary>The options that <c>run</c> and <c>submit</c> share.</summary>
internal sealed class TaskOptions
{
    private static readonly string[] Classes = ["idle", "batch", "normal", "urgent"];

    private readonly Argument<string[]> words = new("TASK")
    {
        Description = "python FILE.py:FUNCTION, c FILE.so:FUNCTION (or IMAGE:FUNCTION of an image that the node has), or -- COMMAND [ARGUMENT...]",
        Arity = ArgumentArity.ZeroOrMore,
    };

    private readonly Option<string?> data = new("--data", "-d")
    {
        Description = "Input of a function: a text, @FILE, or - for standard input. A command gets standard input unless it is a terminal.",
        HelpName = "TEXT|@FILE|-",
    };

    private readonly Option<string?> profile = new("--profile")
    {
        Description = "Isolation profile of the node's policy (compute, standard, or an operator's own; see: wayang node); by default the tightest that the kind of task can live with.",
        HelpName = "NAME",
    };

    private readonly Option<string?> taskClass = new("--class")
    {
        Description = "Range of priorities: idle, batch, normal (default) or urgent.",
        HelpName = "CLASS",
    };

    private readonly Option<int?> priority = new("--priority")
    {
        Description = "Level inside the class: idle 0-7, batch 8-23, normal 24-39, urgent 40-55.",
        HelpName = "LEVEL",
    };

    private readonly Option<string?> timeout = new("--timeout")
    {
        Description = "Longest run: a number with ms, s, m or h (a plain number means seconds).",
        HelpName = "TIME",
    };

    private readonly Option<string?> reuse = new("--reuse")
    {
        Description = "tenant (default): a warm worker may serve it; never: a fresh process, a fresh interpreter.",
        HelpName = "HOW",
    };

    private readonly Option<string?> image = new("--image")
    {
        Description = "For a command: name of an image of kind command of the node's configuration (see: wayang images); it runs under that image's profile.",
        HelpName = "NAME",
    };

    private readonly LifeOptions life = new();
    private readonly FileOptions files = new();

    private readonly Option<bool> pure = new("--pure")
    {
        Description = "It gives the same on the same input always: the node may answer with an earlier result.",
    };

    private readonly Option<string?> migration = new("--migration")
    {
        Description = "What 'wayang checkpoint', 'migrate' and 'drain' do to a call: transparent (default; it goes on where it was), restart (it begins anew), cooperative (it saves its state and goes on from there), never (it is refused).",
        HelpName = "HOW",
    };

    public void AddTo(Command command)
    {
        command.Arguments.Add(words);
        command.Options.Add(data);
        command.Options.Add(profile);
        command.Options.Add(taskClass);
        command.Options.Add(priority);
        command.Options.Add(timeout);
        command.Options.Add(reuse);
        life.AddTo(command);
        command.Options.Add(ImageFile.Preload);
        command.Options.Add(image);
        LimitOptions.AddTo(command);
        files.AddTo(command);
        command.Options.Add(pure);
        command.Options.Add(migration);
        GrantOptions.AddTo(command);
    }

    /// <exception cref="CommandException">The words do not make a task.</exception>
    public TaskArguments Read(ParseResult result)
    {
        var (before, after) = Split(result);
        var isCommand = after is not null;
        if (before.Find(static w => w.StartsWith('-')) is { } unknown)
        {
            var nearest = NearestName.Of(unknown, CommandLineInterface.NamesAt(result.CommandResult).Where(static n => n.StartsWith('-')));
            throw Usage($"no such option: '{unknown}'", nearest is null ? $"See: wayang {result.CommandResult.Command.Name} --help" : $"Did you mean {nearest}?");
        }

        if (isCommand && (before.Count > 0 || after!.Count == 0))
        {
            throw Usage(
                after!.Count == 0 ? "nothing follows '--'" : $"'{before[0]}' stands before '--'",
                $"Write: wayang {result.CommandResult.Command.Name} -- COMMAND [ARGUMENT...]");
        }

        if (!isCommand)
        {
            CheckCall(result, before);
        }

        var text = result.GetValue(data);
        if (isCommand && text is not null && !string.Equals(text, "-", StringComparison.Ordinal) && !text.StartsWith('@'))
        {
            throw Usage("--data TEXT is the input of a function", "Pipe the input of a command in, or give --data @FILE.");
        }

        var preload = ImageFile.ReadPreload(result);
        if (preload.Length > 0 && (isCommand || before[0] != ImageFile.Python))
        {
            throw Usage("--preload belongs to Python files", $"Write: wayang {result.CommandResult.Command.Name} python FILE.py:FUNCTION --preload json,re");
        }

        if (result.GetValue(image) is { } commandImage && !isCommand)
        {
            throw Usage("--image belongs to commands", $"The image of a function stands before the colon: wayang {result.CommandResult.Command.Name} {before[0]} {commandImage}:FUNCTION");
        }

        return new TaskArguments(
            isCommand ? null : before[1],
            isCommand ? after! : [],
            text,
            result.GetValue(profile),
            ReadClass(result.GetValue(taskClass)),
            result.GetValue(priority),
            ReadTimeout(result.GetValue(timeout)))
        {
            ImageKind = isCommand ? ImageFile.Plugin : before[0],
            Preload = preload,
            CommandImage = result.GetValue(image),
            Reuse = ReadReuse(result.GetValue(reuse)),
            Life = life.Read(result),
            Limits = LimitOptions.Read(result),
            Files = files.Read(result, isCommand),
            Pure = result.GetValue(pure),
            Migration = ReadMigration(result.GetValue(migration)),
            GrantedConnections = GrantOptions.Read(result),
        };
    }

    private static void CheckCall(ParseResult result, List<string> before)
    {
        var name = result.CommandResult.Command.Name;
        if (before.Count == 0)
        {
            throw Usage("no task given", $"Write: wayang {name} python ./file.py:function --data TEXT, wayang {name} c ./plugin.so:function, or: wayang {name} -- COMMAND");
        }

        if (before[0] is not (ImageFile.Plugin or ImageFile.Python))
        {
            throw Usage(
                $"'{before[0]}' is no kind of task that is called by function",
                $"Functions are called with: wayang {name} python FILE.py:FUNCTION, or c FILE.so:FUNCTION. A command follows '--': wayang {name} -- {string.Join(' ', before)}");
        }

        var example = ImageFile.Example(before[0]);
        if (before.Count != 2 || before[1].LastIndexOf(':') is var colon && (colon <= 0 || colon == before[1].Length - 1))
        {
            throw Usage(
                before.Count < 2 ? "which function?" : $"'{string.Join(' ', before.Skip(1))}' is not {(before[0] == ImageFile.Python ? "FILE.py" : "FILE.so")}:FUNCTION",
                $"Write the file, a colon, the function: wayang {name} {before[0]} {example}:function");
        }
    }

    /// <summary>Words before the double dash; those after it, or null when there is none.</summary>
    private (List<string> Before, List<string>? After) Split(ParseResult result)
    {
        var all = result.GetValue(words) ?? [];
        var dash = -1;
        for (var i = 0; i < result.Tokens.Count && dash < 0; i++)
        {
            if (result.Tokens[i].Type == TokenType.DoubleDash)
            {
                dash = i;
            }
        }

        if (dash < 0)
        {
            return ([.. all], null);
        }

        var behind = result.Tokens.Count - dash - 1;
        return ([.. all.Take(all.Length - behind)], [.. all.Skip(all.Length - behind)]);
    }

    private static TaskMigration? ReadMigration(string? text) =>
        text is null ? null
        : WireNames.TryParse<TaskMigration>(text, out var way) ? way
        : throw Usage($"--migration '{text}': there is no such way", "There are: transparent (it goes on where it was), restart (it begins anew), cooperative (it saves its state and goes on from that), never (it stays).");

    private static WorkerReuse ReadReuse(string? text) =>
        text is null ? WorkerReuse.Tenant
        : WireNames.TryParse<WorkerReuse>(text, out var reuse) ? reuse
        : throw Usage($"--reuse '{text}': there is no such way", "There are: tenant (a warm worker may serve it), never (a fresh process).");

    internal static TaskClass? ReadClass(string? text)
    {
        if (text is null)
        {
            return null;
        }

        var index = Array.IndexOf(Classes, text);
        if (index < 0)
        {
            var nearest = NearestName.Of(text, Classes);
            throw Usage($"--class '{text}': no such class", nearest is null ? $"There are: {string.Join(", ", Classes)}." : $"Did you mean {nearest}?");
        }

        return (TaskClass)index;
    }

    internal static uint? ReadTimeout(string? text) => (uint?)DurationText.Read("--timeout", text)?.TotalMilliseconds;

    private static CommandException Usage(string message, string remedy) => new(message, remedy, ExitCodes.Usage);
}
