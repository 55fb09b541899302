using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Runtime.CompilerServices;

namespace Wayang.Fast.Host.Cli;

/// <summary>
/// Help with more to say than one line: a command's <see cref="Symbol.Description"/> stays short, since the lists of
/// commands show it; details and examples follow the usual text of its own <c>--help</c>.
/// </summary>
internal sealed class DetailedHelp : SynchronousCommandLineAction
{
    private static readonly ConditionalWeakTable<Command, string> Details = [];

    private readonly HelpAction usual = new();

    public override bool ClearsParseErrors => true;

    /// <summary>Tells the details of a command; <paramref name="text"/> ends with examples.</summary>
    public static Command Describe(Command command, string text)
    {
        Details.Add(command, text);
        return command;
    }

    /// <summary>Puts this in place of the library's own help.</summary>
    public static void Install(RootCommand root)
    {
        foreach (var option in root.Options.OfType<HelpOption>())
        {
            option.Action = new DetailedHelp();
        }
    }

    public override int Invoke(ParseResult parseResult)
    {
        usual.Invoke(parseResult);
        if (Details.TryGetValue(parseResult.CommandResult.Command, out var text))
        {
            parseResult.InvocationConfiguration.Output.WriteLine(text);
        }

        return ExitCodes.Success;
    }
}
