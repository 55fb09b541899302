using System.CommandLine;
using System.Globalization;
using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Host.Cli;

/// <summary><c>wayang events</c>: what happened on the node, and with --follow what happens.</summary>
internal static class EventsCommand
{
    private const long FromNow = long.MaxValue; // as the operation's description says
    private static readonly TimeSpan s_wait = TimeSpan.FromSeconds(10);

    private static readonly Option<long> Since = new("--since") { Description = "The last number that is known; 0 (default): from the oldest that is kept.", HelpName = "N" };

    private static readonly Option<bool> Follow = new("--follow", "-f") { Description = "Go on as events happen; without --since from now on." };

    private static readonly Option<string?> Type = new("--type") { Description = "What types begin with, by whole names: wayang.task, wayang.incident.heal.", HelpName = "TYPE" };

    private static readonly Option<string?> Task = new("--task") { Description = "Only of this task.", HelpName = "ID" };

    private static readonly Option<string?> Group = new("--group") { Description = "Only of tasks of this group.", HelpName = "NAME" };

    private static readonly Option<int?> Tenant = new("--tenant") { Description = "Only of this tenant's number; for the default tenant, which sees all.", HelpName = "N" };

    private static readonly Option<string?> Severity = new("--severity") { Description = "info (default), warning or error, and what is above.", HelpName = "LEVEL" };

    public static Command Build()
    {
        var command = new Command("events", "Shows what happened on the node, in order; with -f, what happens.")
        {
            Since, Follow, Type, Task, Group, Tenant, Severity,
        };
        DetailedHelp.Describe(
            command,
            """
            Each event has a number, one more than the event before it, and a line: number, time, severity, type, task, data.
            Where events are missing because they are not kept any more, an event wayang.events.gap tells from and to.
            --json prints CloudEvents 1.0, one object a line. To go on later: --since with the last number that was seen.

            Examples:
              wayang events --severity warning
              wayang events -f --type wayang.task --json | jq -r '.type + " " + .subject'
            """);
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult result, CancellationToken cancellation)
    {
        var follow = result.GetValue(Follow);
        var json = result.GetValue(ClientOptions.Json);
        var query = new EventQuery
        {
            Since = follow && result.GetResult(Since) is null ? FromNow : result.GetValue(Since),
            Type = result.GetValue(Type),
            Task = result.GetValue(Task) is { } task ? TaskArgument.Parse(task) : null,
            Group = result.GetValue(Group),
            Tenant = result.GetValue(Tenant),
            Severity = result.GetValue(Severity),
            Limit = 1_000,
        };
        await using var session = await RuntimeSession.ConnectAsync(result.GetValue(ClientOptions.Socket), cancellation);
        var stalled = false;
        while (true)
        {
            var batch = await session.Client.ListEventsAsync(query, cancellation);
            foreach (var told in batch.Events)
            {
                Console.Out.WriteLine(json ? told.Json : Line(told));
            }

            if (batch.Stalled is { } why && !stalled)
            {
                Console.Error.WriteLine($"wayang: nothing new is told now: {why}");
            }

            stalled = batch.Stalled is not null;
            var more = batch.Events.Count > 0 || batch.Next > query.Since;
            if (!more && !follow)
            {
                return ExitCodes.Success;
            }

            query = query with { Since = batch.Next, Wait = follow && !more ? s_wait : TimeSpan.Zero };
        }
    }

    private static string Line(EventInfo told) => string.Create(
        CultureInfo.InvariantCulture,
        $"{told.Sequence} {told.Time.ToLocalTime():yyyy-MM-dd HH:mm:ss.fff} {told.Severity,-7} {told.Type}{(told.Subject.Length == 0 ? "" : " " + told.Subject)} {told.Data}");
}
