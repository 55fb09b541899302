using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;

using Wayang.Fast.Gateway.Audit;
using Wayang.Fast.Host.Configuration;

namespace Wayang.Fast.Host.Cli;

/// <summary><c>wayang audit</c>: what operators did and were refused. It reads the node's files, and needs no runtime.</summary>
internal static class AuditCommand
{
    /// <summary>A change that the watcher did not tell, as on a network's file system, is seen after so long.</summary>
    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(1);

    private static readonly Option<string?> Since = new("--since") { Description = "From this time on: how long ago (30m, 12h) or when (2026-01-31T00:00:00Z).", HelpName = "WHEN" };

    private static readonly Option<bool> Follow = new("--follow", "-f") { Description = "Go on as records are written; without --since from now on." };

    private static readonly Option<string?> Config = new("--config", "-c") { Description = "The node's configuration, which says where its state.directory is.", HelpName = "FILE" };

    private static readonly Option<string?> Place = new("--directory") { Description = "The node's state.directory, in place of a configuration.", HelpName = "DIR" };

    public static Command Build()
    {
        var command = new Command("audit", "Shows what operators did and were refused: who, from where, what, on what, and what came of it.") { Since, Follow, Config, Place };
        DetailedHelp.Describe(
            command,
            """
            A line: time, outcome, operation, target, identity, tenant, door, from. Operations that are written down are marked in
            docs/operations.md; docs/auth.md tells the form of the files. They belong to the daemon's user: root, or that user, reads them.

            Examples:
              wayang audit --config /etc/wayang.yaml --since 24h
              wayang audit --directory /var/lib/wayang -f --json | jq 'select(.outcome != "ok")'
            """);
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult result, CancellationToken cancellation)
    {
        var follow = result.GetValue(Follow);
        var json = result.GetValue(ClientOptions.Json);
        var since = TimeOf(result.GetValue(Since)) ?? (follow ? DateTime.UtcNow : DateTime.MinValue);
        var directory = DirectoryOf(result);
        var reader = new AuditReader(directory);
        using var changed = new SemaphoreSlim(0, 1);
        using var watcher = follow ? Watch(directory, changed) : null;
        var damaged = 0;
        var missed = 0;
        do
        {
            foreach (var line in reader.ReadNew(since))
            {
                damaged += Print(line, since, json) ? 0 : 1;
            }

            if (reader.Missed > missed)
            {
                missed = reader.Missed;
                Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"wayang: {missed} files were removed before they were read (audit.files says how many are kept)"));
            }
        }
        while (follow && await GoesOnAsync(changed, cancellation));

        if (damaged > 0)
        {
            Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"wayang: {damaged} lines are no records (the node stopped while it wrote)"));
        }

        return ExitCodes.Success;
    }

    private static async Task<bool> GoesOnAsync(SemaphoreSlim changed, CancellationToken cancellation)
    {
        await changed.WaitAsync(s_look, cancellation);
        return !cancellation.IsCancellationRequested;
    }

    private static FileSystemWatcher Watch(string directory, SemaphoreSlim changed)
    {
        var watcher = new FileSystemWatcher(directory, AuditFiles.Pattern) { NotifyFilter = NotifyFilters.FileName | NotifyFilters.Size | NotifyFilters.LastWrite };
        watcher.Created += (_, _) => Wake(changed);
        watcher.Changed += (_, _) => Wake(changed);
        watcher.EnableRaisingEvents = true;
        return watcher;
    }

    private static void Wake(SemaphoreSlim changed)
    {
        try
        {
            changed.Release();
        }
        catch (Exception woken) when (woken is SemaphoreFullException or ObjectDisposedException)
        {
            // It looks already.
        }
    }

    private static string DirectoryOf(ParseResult result)
    {
        var directory = result.GetValue(Place)
            ?? NodeConfiguration.Of(ConfigurationInput.Gather(result.GetValue(Config), result.GetValue(ClientOptions.Socket))).OrThrow().Settings.StateDirectory;
        if (directory.Length == 0)
        {
            throw new CommandException("No state.directory is configured here, so there is no audit log.", "Say where it is: wayang audit --config FILE, or --directory DIR.", ExitCodes.Usage);
        }

        return Directory.Exists(directory)
            ? directory
            : throw new CommandException($"{directory} is not there, or not for you to see.", "Run it as root or as the daemon's user, on the node itself.");
    }

    private static DateTime? TimeOf(string? text)
    {
        if (text is null)
        {
            return null;
        }

        return DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeLocal, out var time) && text.Contains('-', StringComparison.Ordinal)
            ? time.UtcDateTime
            : DateTime.UtcNow - DurationText.Read("--since", text)!.Value;
    }

    /// <summary>False: it is no record.</summary>
    private static bool Print(string line, DateTime since, bool json)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            var record = document.RootElement;
            if (record.GetProperty("time").GetDateTimeOffset().UtcDateTime >= since)
            {
                Console.Out.WriteLine(json ? line : Line(record));
            }

            return true;
        }
        catch (Exception damaged) when (damaged is JsonException or KeyNotFoundException or FormatException or InvalidOperationException)
        {
            return false;
        }
    }

    private static string Line(JsonElement record)
    {
        var line = new StringBuilder();
        line.Append(CultureInfo.InvariantCulture, $"{record.GetProperty("time").GetDateTimeOffset().ToLocalTime():yyyy-MM-dd HH:mm:ss.fff} {Text(record, "outcome"),-18} {Text(record, "operation")}");
        if (record.TryGetProperty("target", out var target))
        {
            foreach (var part in target.EnumerateObject())
            {
                line.Append(CultureInfo.InvariantCulture, $" {part.Name}={part.Value}");
            }
        }

        if (record.TryGetProperty("count", out var count))
        {
            line.Append(CultureInfo.InvariantCulture, $" count={count}");
        }

        line.Append(CultureInfo.InvariantCulture, $" by {Text(record, "identity", "nobody known")}");
        if (record.TryGetProperty("tenant", out var tenant))
        {
            line.Append(CultureInfo.InvariantCulture, $" (tenant {tenant})");
        }

        line.Append(CultureInfo.InvariantCulture, $" by way of {Text(record, "door")} from {Text(record, "from")}");
        return Harmless(line.ToString());
    }

    private static string Text(JsonElement record, string key, string otherwise = "") => record.TryGetProperty(key, out var value) ? value.ToString() : otherwise;

    /// <summary>Names were chosen by callers: they must not steer a terminal.</summary>
    private static string Harmless(string line) =>
        string.Create(line.Length, line, static (span, text) =>
        {
            for (var i = 0; i < span.Length; i++)
            {
                span[i] = char.IsControl(text[i]) || char.GetUnicodeCategory(text[i]) == UnicodeCategory.Format ? '?' : text[i];
            }
        });
}
