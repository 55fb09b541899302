using System.CommandLine;
using System.Globalization;
using System.Text.Json;

using Wayang.Fast.Host.Configuration;

namespace Wayang.Fast.Host.Cli;

/// <summary><c>wayang config</c>: checks, shows, explains and reloads the configuration.</summary>
internal static class ConfigCommand
{
    private const int Wrong = 1;

    private static readonly Argument<string?> CheckedFile = new("FILE")
    {
        Description = "The YAML file; without it only the environment is checked.",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private static readonly Option<string?> Config = new("--config", "-c") { Description = "YAML file of the node.", HelpName = "FILE" };

    public static Command Build()
    {
        var command = new Command("config", "Checks, shows, explains and reloads the configuration.")
        {
            BuildCheck(), BuildShow(), BuildExample(), ConfigReload.Build(),
        };
        return DetailedHelp.Describe(
            command,
            """
            Examples:
              wayang config example > node.yaml
              wayang config check node.yaml && wayang serve --config node.yaml
            """);
    }

    private static Command BuildCheck()
    {
        var check = new Command("check", "Tells everything that is wrong with a configuration: where, what, what may stand there instead.")
        {
            CheckedFile,
        };
        check.SetAction(static result =>
        {
            var file = result.GetValue(CheckedFile);
            return Check(file, result.GetValue(ClientOptions.Json));
        });
        return DetailedHelp.Describe(
            check,
            """
            Exit codes: 0 good; 1 something is wrong.

            Example:
              wayang config check /etc/wayang.yaml --json
            """);
    }

    private static Command BuildShow()
    {
        var show = new Command("show", "Prints the value in force of every key, and where it comes from.")
        {
            Config,
        };
        show.SetAction(static result =>
        {
            var configuration = NodeConfiguration.Of(ConfigurationInput.Gather(result.GetValue(Config), result.GetValue(ClientOptions.Socket))).OrThrow();
            Show(configuration, result.GetValue(ClientOptions.Json));
            return ExitCodes.Success;
        });
        return DetailedHelp.Describe(
            show,
            """
            Examples:
              wayang config show --config /etc/wayang.yaml
              WAYANG__LIMITS__QUEUED_TASKS=5000 wayang config show
            """);
    }

    private static Command BuildExample()
    {
        var example = new Command("example", "Prints a commented configuration with every key and its default.");
        example.SetAction(static _ =>
        {
            Console.Out.Write(ConfigurationText.Example());
            return ExitCodes.Success;
        });
        return DetailedHelp.Describe(
            example,
            """
            Example:
              wayang config example > node.yaml
            """);
    }

    private static int Check(string? file, bool json)
    {
        List<ConfigurationProblem> problems = [];
        List<string> notices = [];
        try
        {
            var configuration = NodeConfiguration.Of(ConfigurationInput.Gather(file));
            problems.AddRange(configuration.Problems);
            ImageFiles.Read(configuration.Settings.Images, problems);
            notices.AddRange(configuration.Notices.Select(static n => n.ToString()));
            notices.AddRange(MemoryConflicts(configuration));
            if (configuration.SaysNothing && problems.Count == 0)
            {
                notices.Add($"{file ?? "the environment"} says nothing: every key has its default");
            }
        }
        catch (ConfigurationException error) when (error.Problems.Count > 0)
        {
            problems.AddRange(error.Problems);
        }

        if (json)
        {
            PrintCheck(file, problems, notices);
        }
        else
        {
            problems.ForEach(static p => Console.Out.WriteLine(p));
            notices.ForEach(static n => Console.Out.WriteLine($"note: {n}"));
            Console.Out.WriteLine(problems.Count == 0
                ? $"{file ?? "the environment"}: good"
                : string.Create(CultureInfo.InvariantCulture, $"{file ?? "the environment"}: {problems.Count} problem{(problems.Count == 1 ? "" : "s")}"));
        }

        return problems.Count == 0 ? ExitCodes.Success : Wrong;
    }

    private static IEnumerable<string> MemoryConflicts(NodeConfiguration configuration)
    {
        if (configuration.Settings.Runtime.WorkerMemoryBytes == 0)
        {
            return [];
        }

        try
        {
            return PolicyMemory.Conflicts(configuration.Settings.Runtime.WorkerMemoryBytes, PolicyMemory.Read(Installation.Find().PolicyDirectory));
        }
        catch (ConfigurationException)
        {
            return []; // a file can be checked where nothing is installed
        }
    }

    private static void PrintCheck(string? file, List<ConfigurationProblem> problems, List<string> notices) => JsonText.Print(writer =>
    {
        writer.WriteString("file", file);
        writer.WriteBoolean("good", problems.Count == 0);
        writer.WriteStartArray("problems");
        foreach (var problem in problems)
        {
            writer.WriteStartObject();
            WritePlace(writer, problem.Place);
            writer.WriteString("key", problem.Key);
            writer.WriteString("problem", problem.Reason);
            writer.WriteString("allowed", problem.Allowed);
            writer.WriteString("nearest", problem.Nearest);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        JsonText.WriteTexts(writer, "notes", notices);
    });

    private static void WritePlace(Utf8JsonWriter writer, ConfigurationPlace place)
    {
        writer.WriteString("place", place.ToString());
        if (place.Line > 0)
        {
            writer.WriteNumber("line", place.Line);
            writer.WriteNumber("column", place.Column);
        }
    }

    private static void Show(NodeConfiguration configuration, bool json)
    {
        var rows = ConfigurationKeys.All
            .Where(k => k.SameAs is null && (k.Read is not null || configuration.SourceOf(k) is not null))
            .Select(k => (Key: k, Value: k.IsSecret ? "(secret)" : ShownValue(configuration, k), Source: configuration.SourceOf(k)))
            .ToList();
        var images = configuration.Settings.Images;
        var tenants = configuration.Settings.Tenants;
        if (json)
        {
            JsonText.Print(writer =>
            {
                writer.WriteStartArray("keys");
                foreach (var (key, value, source) in rows)
                {
                    writer.WriteStartObject();
                    writer.WriteString("key", key.Name);
                    writer.WriteString("value", value);
                    writer.WriteString("source", (source?.Layer ?? ConfigurationLayer.Default) switch
                    {
                        ConfigurationLayer.CommandLine => "command_line",
                        ConfigurationLayer.Environment => "environment",
                        ConfigurationLayer.File => "file",
                        _ => "default",
                    });
                    writer.WriteString("place", source?.Place.ToString());
                    writer.WriteString("given_as", source?.Key.Name);
                    writer.WriteBoolean("active", key.Later is null);
                    writer.WriteEndObject();
                }

                writer.WriteEndArray();
                JsonText.WriteTexts(writer, "images", images.Select(static i => $"{i.Name} {i.Kind} {i.File}".TrimEnd()));
                JsonText.WriteTexts(writer, "tenants", tenants.Select(static t => $"{t.Name}: {t.Terms}"));
                JsonText.WriteTexts(writer, "peers", configuration.Settings.Peers.Select(static p => $"{p.Name}: {p.Terms}"));
            });
            return;
        }

        foreach (var (key, value, source) in rows)
        {
            var place = source is null ? "default" : source.Key == key ? source.Place.ToString() : $"{source.Place} ({source.Key.Name})";
            Console.Out.WriteLine($"{key.Name,-52} {value,-24} {place}{(key.Later is null ? "" : ", not active yet")}");
        }

        foreach (var image in images)
        {
            Console.Out.WriteLine($"{"images." + image.Name,-52} {image.Kind,-24} {image.Place}{(image.File is null ? "" : " " + image.File)}");
        }

        foreach (var tenant in tenants)
        {
            Console.Out.WriteLine($"{"tenants." + tenant.Name,-52} {tenant.Terms,-24} {tenant.Place}");
        }

        foreach (var peer in configuration.Settings.Peers)
        {
            Console.Out.WriteLine($"{"peers." + peer.Name,-52} {peer.Terms,-24} {peer.Place}");
        }
    }

    private static string ShownValue(NodeConfiguration configuration, ConfigurationKey key) =>
        configuration.TextOf(key) is { Length: > 0 } text ? text
        : key.Name == "socket" ? Client.SocketPaths.Own
        : "-";
}
