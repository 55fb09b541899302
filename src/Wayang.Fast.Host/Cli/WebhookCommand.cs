using System.CommandLine;
using System.Globalization;
using System.Text.Json;

using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Host.Cli;

/// <summary><c>wayang webhook</c>: who outside is told of events.</summary>
internal static class WebhookCommand
{
    private static readonly Argument<string> Url = new("URL") { Description = "Where events are sent: https://HOST/PATH, an address of the public internet." };

    private static readonly Option<string?> NewUrl = new("--url") { Description = "Send to this address from now on.", HelpName = "URL" };

    private static readonly Option<string?> Type = new("--type") { Description = "What types begin with, by whole names: wayang.task, wayang.incident.heal.", HelpName = "TYPE" };

    private static readonly Option<string?> Severity = new("--severity") { Description = "info (default), warning or error, and what is above.", HelpName = "LEVEL" };

    private static readonly Option<int?> Tenant = new("--tenant") { Description = "Only events of this tenant's number; for the default tenant, which sees all.", HelpName = "N" };

    private static readonly Option<long?> Since = new("--since") { Description = "The first events follow this number; 0: from the oldest that is kept. Default: from now on.", HelpName = "N" };

    private static readonly Option<bool> Enable = new("--enable") { Description = "Send again." };

    private static readonly Option<bool> Disable = new("--disable") { Description = "Send no more; what is to be told waits as long as events are kept." };

    private static readonly Option<string?> Overlap = new("--overlap") { Description = "How long the secret before signs too: a number with ms, s, m or h; default as configured.", HelpName = "TIME" };

    private static readonly Option<long?> Event = new("--event") { Description = "Only the message of the event with this number; default: all.", HelpName = "N" };

    private static readonly Option<string?> Outcome = new("--outcome") { Description = "Only delivered, failed, dead or gone.", HelpName = "OUTCOME" };

    private static readonly Option<int> Limit = new("--limit") { Description = "At most so many (default 100).", HelpName = "N", DefaultValueFactory = static _ => 100 };

    public static Command Build()
    {
        var create = new Command("create", "Has events sent to an address as they happen; prints the webhook's id and its secret, which is shown only now.") { Url, Type, Severity, Tenant, Since };
        Set(create, CreateAsync, "wayang webhook create https://example.com/hooks --type wayang.task --severity warning");
        var list = new Command("list", "Lists webhooks and how they get on.");
        Set(list, ListAsync, "wayang webhook list");
        var command = new Command("webhook", "Webhooks: events sent to addresses, signed, and tried again until they arrive.")
        {
            create,
            list,
            Of("update", "Changes where a webhook's events are sent, which, or whether.", UpdateAsync, "--disable", NewUrl, Type, Severity, Tenant, Enable, Disable),
            Of("delete", "Removes a webhook, with what it had to send.", DeleteAsync, string.Empty),
            Of("rotate", "Prints a new secret; the one before it signs too for a while.", RotateAsync, "--overlap 48h", Overlap),
            Of("replay", "Sends messages again that were given up.", ReplayAsync, string.Empty, Event),
            Of("deliveries", "Shows how deliveries went, the newest first.", DeliveriesAsync, "--outcome dead", Outcome, Limit),
        };
        DetailedHelp.Describe(
            command,
            """
            Example:
              wayang webhook create https://example.com/hooks --type wayang.task
            """);
        return command;
    }

    private static Command Of(string name, string description, Func<WayangClient, ParseResult, string, CancellationToken, Task> act, string example, params Option[] options)
    {
        var id = new Argument<string>("WEBHOOK") { Description = "Its id, as wayang webhook list shows it." };
        var command = new Command(name, description) { id };
        foreach (var option in options)
        {
            command.Options.Add(option);
        }

        Set(command, (client, result, cancellation) => act(client, result, result.GetValue(id)!, cancellation), $"wayang webhook {name} wh0123456789abcdef0123 {example}".TrimEnd());
        return command;
    }

    private static void Set(Command command, Func<WayangClient, ParseResult, CancellationToken, Task> act, string example)
    {
        DetailedHelp.Describe(command, $"Example:{Environment.NewLine}  {example}");
        command.SetAction(async (result, cancellation) =>
        {
            await using var session = await RuntimeSession.ConnectAsync(result.GetValue(ClientOptions.Socket), cancellation);
            await act(session.Client, result, cancellation);
            return ExitCodes.Success;
        });
    }

    private static async Task CreateAsync(WayangClient client, ParseResult result, CancellationToken cancellation) => Print(
        await client.CreateWebhookAsync(
            new WebhookSpec
            {
                Address = result.GetValue(Url), Type = result.GetValue(Type), Severity = result.GetValue(Severity), Tenant = result.GetValue(Tenant), Since = result.GetValue(Since),
            },
            cancellation),
        result);

    private static async Task ListAsync(WayangClient client, ParseResult result, CancellationToken cancellation)
    {
        var hooks = await client.ListWebhooksAsync(cancellation);
        if (result.GetValue(ClientOptions.Json))
        {
            JsonText.Print(writer =>
            {
                writer.WriteStartArray("webhooks");
                foreach (var hook in hooks)
                {
                    writer.WriteStartObject();
                    Write(writer, hook);
                    writer.WriteEndObject();
                }

                writer.WriteEndArray();
            });
            return;
        }

        foreach (var hook in hooks)
        {
            Console.Out.WriteLine(Line(hook));
        }
    }

    private static async Task UpdateAsync(WayangClient client, ParseResult result, string id, CancellationToken cancellation)
    {
        var (enable, disable) = (result.GetValue(Enable), result.GetValue(Disable));
        if (enable && disable)
        {
            throw new CommandException("--enable and --disable contradict each other", "Give one of them.", ExitCodes.Usage);
        }

        var hook = await client.UpdateWebhookAsync(
            id,
            new WebhookSpec
            {
                Address = result.GetValue(NewUrl), Type = result.GetValue(Type), Severity = result.GetValue(Severity), Tenant = result.GetValue(Tenant),
                Enabled = enable || disable ? enable : null,
            },
            cancellation);
        Print(result, writer => Write(writer, hook), Line(hook));
    }

    private static async Task DeleteAsync(WayangClient client, ParseResult result, string id, CancellationToken cancellation)
    {
        await client.DeleteWebhookAsync(id, cancellation);
        Print(result, writer => writer.WriteString("webhook", id), $"{id} is removed");
    }

    private static async Task RotateAsync(WayangClient client, ParseResult result, string id, CancellationToken cancellation) =>
        Print(await client.RotateWebhookAsync(id, DurationText.Read("--overlap", result.GetValue(Overlap)), cancellation), result);

    private static async Task ReplayAsync(WayangClient client, ParseResult result, string id, CancellationToken cancellation)
    {
        var count = await client.ReplayWebhookAsync(id, result.GetValue(Event), cancellation);
        Print(
            result,
            writer =>
            {
                writer.WriteString("webhook", id);
                writer.WriteNumber("replayed", count);
            },
            string.Create(CultureInfo.InvariantCulture, $"{count} messages are sent again"));
    }

    private static async Task DeliveriesAsync(WayangClient client, ParseResult result, string id, CancellationToken cancellation)
    {
        foreach (var tried in await client.ListDeliveriesAsync(id, result.GetValue(Outcome), result.GetValue(Limit), cancellation))
        {
            Console.Out.WriteLine(result.GetValue(ClientOptions.Json)
                ? JsonText.Line(writer =>
                {
                    writer.WriteString("message", tried.Message);
                    writer.WriteNumber("event", tried.Event);
                    writer.WriteString("type", tried.Type);
                    writer.WriteString("at", tried.At.UtcDateTime);
                    writer.WriteNumber("attempt", tried.Attempt);
                    writer.WriteString("outcome", tried.Outcome);
                    writer.WriteNumber("status", tried.Status);
                    writer.WriteNumber("duration_us", tried.DurationMicroseconds);
                    writer.WriteString("detail", tried.Detail);
                })
                : string.Create(
                    CultureInfo.InvariantCulture,
                    $"{tried.At.ToLocalTime():yyyy-MM-dd HH:mm:ss.fff} {tried.Outcome,-9} {tried.Status,3} {tried.DurationMicroseconds,9} us  try {tried.Attempt,-2} {tried.Type} {tried.Message}{(tried.Detail.Length == 0 ? "" : "  " + tried.Detail)}"));
        }
    }

    private static void Print(WebhookSecretInfo made, ParseResult result) => Print(
        result,
        writer =>
        {
            writer.WriteString("webhook", made.Webhook);
            writer.WriteString("secret", made.Secret);
            if (made.FormerUntil is { } until)
            {
                writer.WriteString("former_secret_until", until.UtcDateTime);
            }
        },
        made.FormerUntil is { } last
            ? string.Create(CultureInfo.InvariantCulture, $"{made.Webhook} {made.Secret}{Environment.NewLine}the secret before signs too until {last.ToLocalTime():yyyy-MM-dd HH:mm:ss}")
            : $"{made.Webhook} {made.Secret}");

    private static void Print(ParseResult result, Action<Utf8JsonWriter> write, string line)
    {
        if (result.GetValue(ClientOptions.Json))
        {
            JsonText.Print(write);
        }
        else
        {
            Console.Out.WriteLine(line);
        }
    }

    private static void Write(Utf8JsonWriter writer, WebhookInfo hook)
    {
        writer.WriteString("webhook", hook.Webhook);
        writer.WriteString("url", hook.Address);
        writer.WriteString("type", hook.Type);
        writer.WriteString("severity", hook.Severity);
        writer.WriteNumber("owner", hook.Owner);
        writer.WriteString("created", hook.Created.UtcDateTime);
        writer.WriteBoolean("enabled", hook.Enabled);
        writer.WriteString("reason", hook.Reason);
        writer.WriteNumber("cursor", hook.Cursor);
        writer.WriteNumber("waiting", hook.Waiting);
        writer.WriteNumber("dead", hook.Dead);
        writer.WriteNumber("bytes", hook.Bytes);
        writer.WriteString("problem", hook.Problem);
    }

    private static string Line(WebhookInfo hook) => string.Create(
        CultureInfo.InvariantCulture,
        $"{hook.Webhook}  {(hook.Enabled ? "enabled " : "disabled")}  waiting {hook.Waiting}  dead {hook.Dead}  {(hook.Type.Length == 0 ? "any" : hook.Type)} from {hook.Severity}  {hook.Address}{(hook.Reason.Length == 0 ? "" : "  " + hook.Reason)}{(hook.Problem.Length == 0 ? "" : "  " + hook.Problem)}");
}
