using System.CommandLine;
using System.Globalization;

using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Host.Cli;

/// <summary><c>wayang node</c>: what the node is, what this host lets it do, its bounds, its last incidents.</summary>
internal static class NodeCommand
{
    private const int LastIncidents = 10;

    public static Command Build()
    {
        var command = new Command("node", "Tells what the node is, what isolation its host makes possible, its bounds, and what it had to heal lately.");
        DetailedHelp.Describe(
            command,
            """
            Example:
              wayang node --json
            """);
        command.SetAction(static async (result, cancellation) =>
        {
            var session = await RuntimeSession.ConnectAsync(result.GetValue(ClientOptions.Socket), cancellation);
            await using (session)
            {
                var node = await session.Client.NodeInfoAsync(cancellation);
                var incidents = await session.Client.ListIncidentsAsync(LastIncidents, cancellation);
                if (result.GetValue(ClientOptions.Json))
                {
                    JsonText.Print(writer =>
                    {
                        writer.WriteString("node", node.Node);
                        writer.WriteString("version", node.Version);
                        writer.WriteString("started", node.Started);
                        writer.WriteBoolean("root", node.Root);
                        writer.WriteString("cgroup_mode", node.CgroupMode);
                        JsonText.WriteTexts(writer, "features", node.Features);
                        WriteProfiles(writer, node.Profiles);
                        writer.WriteString("note", node.Note);
                        JsonText.WriteNumbers(writer, "limits", node.Limits);
                        JsonText.WriteIncidents(writer, incidents);
                    });
                    return ExitCodes.Success;
                }

                Line("node", $"{node.Node}, version {node.Version}, started {node.Started.ToString("O", CultureInfo.InvariantCulture)}");
                Line("spawner", node.Root ? "as root" : "unprivileged, by user namespaces");
                Line("groups", node.CgroupMode);
                Line("features", string.Join(", ", node.Features));
                if (node.Note.Length > 0)
                {
                    Line("note", node.Note);
                }

                foreach (var profile in node.Profiles)
                {
                    Line("profile", $"{profile.Name}: {string.Join(", ", profile.Kinds)}; {Root(profile)}{Network(profile)}{(profile.Inherits.Length == 0 ? "" : $"; tighter than {profile.Inherits}")}");
                }

                foreach (var (name, value) in node.Limits.OrderBy(static p => p.Key, StringComparer.Ordinal))
                {
                    Line("limit", string.Create(CultureInfo.InvariantCulture, $"{name} {value}"));
                }

                foreach (var incident in incidents)
                {
                    var pool = incident.Pool.Length == 0 ? "" : $" [{incident.Pool}]";
                    Line("incident", string.Create(CultureInfo.InvariantCulture, $"{incident.At.ToLocalTime():yyyy-MM-dd HH:mm:ss} {incident.Kind}{pool}: {incident.Reason}"));
                }
            }

            return ExitCodes.Success;
        });
        return command;
    }

    private static string Root(ProfileInfo profile) =>
        profile.OwnRoot ? "a root of its own" : profile.Files ? "parts of the host's files, read-only" : "no files";

    private static string Network(ProfileInfo profile) => profile.Network switch
    {
        "none" => "",
        "granted" => $"; network: loopback, and what is granted of {string.Join(", ", profile.Destinations)}",
        var level => $"; network: {level}",
    };

    private static void WriteProfiles(System.Text.Json.Utf8JsonWriter writer, IReadOnlyList<ProfileInfo> profiles)
    {
        writer.WriteStartArray("profiles");
        foreach (var profile in profiles)
        {
            writer.WriteStartObject();
            writer.WriteString("name", profile.Name);
            writer.WriteBoolean("files", profile.Files);
            writer.WriteBoolean("own_root", profile.OwnRoot);
            JsonText.WriteTexts(writer, "kinds", profile.Kinds);
            writer.WriteString("network", profile.Network);
            JsonText.WriteTexts(writer, "destinations", profile.Destinations);
            writer.WriteString("inherits", profile.Inherits.Length == 0 ? null : profile.Inherits);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static void Line(string name, string value) => Console.Out.WriteLine($"{name,-10}{value}");
}
