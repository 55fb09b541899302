using System.CommandLine;

using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Host.Doctor;

namespace Wayang.Fast.Host.Cli;

/// <summary><c>wayang doctor</c>: what this host gives, what each lack costs, and its remedy.</summary>
internal static class DoctorCommand
{
    /// <summary>Something required is missing.</summary>
    private const int ExitMissing = 1;

    private static readonly Option<string?> Only = new("--only") { Description = "One group of checks: " + string.Join(", ", CheckRules.Groups) + ".", HelpName = "GROUP" };

    private static readonly Option<string?> Policy = new("--policy") { Description = "Check this directory of an isolation policy, too (default: the installation's).", HelpName = "DIR" };

    public static Command Build()
    {
        var command = new Command("doctor", "Tries what this host gives; tells what each lack costs and the command that remedies it.") { Only, Policy };
        DetailedHelp.Describe(
            command,
            """
            Each check tries the thing itself, in a process of its own, as the user who asks. Levels: ok; degraded (tasks
            run, at a cost); missing (required: no sandboxed task can run); unknown (could not be found out).
            Exit codes: 0 all that is required is there; 1 something required is not; 2 wrong usage.

            Examples:
              wayang doctor
              wayang doctor --only groups
              wayang doctor --json
              wayang doctor --only installation --policy /etc/wayang/policy
            """);
        command.SetAction(static async (result, cancellation) =>
        {
            var only = result.GetValue(Only);
            if (only is not null && !CheckRules.Groups.Contains(only, StringComparer.Ordinal))
            {
                var nearest = NearestName.Of(only, CheckRules.Groups);
                throw new CommandException(
                    $"no such group of checks: '{only}'{(nearest is null ? "" : $"; did you mean {nearest}?")}",
                    $"Groups: {string.Join(", ", CheckRules.Groups)}",
                    ExitCodes.Usage);
            }

            var policy = result.GetValue(Policy) is { } directory ? Path.GetFullPath(directory) : null;
            var findings = await Examination.RunAsync(only, policy, result.GetValue(ClientOptions.Socket), cancellation);
            if (result.GetValue(ClientOptions.Json))
            {
                DoctorReport.WriteJson(findings);
            }
            else
            {
                var colour = !Console.IsOutputRedirected && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));
                DoctorReport.Write(Console.Out, findings, colour);
            }

            return findings.Any(static f => f.IsFault) ? ExitMissing : ExitCodes.Success;
        });
        return command;
    }
}
