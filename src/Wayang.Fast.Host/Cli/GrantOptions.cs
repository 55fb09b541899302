using System.CommandLine;

using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Host.Cli;

/// <summary><c>--grant connect=HOST:PORT</c> of <c>run</c> and <c>submit</c>.</summary>
internal static class GrantOptions
{
    private const string Connect = "connect=";

    private static readonly Option<string[]> Grant = new("--grant")
    {
        Description = "Gives the task a capability: connect=HOST:PORT (through the proxy that its environment names), as far as its profile allows; its profile is then 'network' unless you say otherwise. May be repeated.",
        HelpName = "connect=HOST:PORT",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
    };

    public static void AddTo(Command command) => command.Options.Add(Grant);

    /// <returns>The destinations; empty when none is granted.</returns>
    /// <exception cref="CommandException">A grant that there is not.</exception>
    public static IReadOnlyList<string> Read(ParseResult result)
    {
        if (result.GetValue(Grant) is not { Length: > 0 })
        {
            return [];
        }

        var destinations = new List<string>();
        foreach (var text in result.GetValue(Grant) ?? [])
        {
            if (!text.StartsWith(Connect, StringComparison.Ordinal))
            {
                throw new CommandException($"--grant '{text}': there is no such grant", "There is: --grant connect=HOST:PORT", ExitCodes.Usage);
            }

            if (!Destination.TryParse(text[Connect.Length..], out _, out var why))
            {
                throw new CommandException($"--grant: {why}", "An example: --grant connect=example.com:443", ExitCodes.Usage);
            }

            destinations.Add(text[Connect.Length..]);
        }

        return destinations;
    }
}
