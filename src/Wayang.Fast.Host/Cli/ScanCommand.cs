using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Host.Configuration;
using Wayang.Fast.Host.Doctor;

namespace Wayang.Fast.Host.Cli;

/// <summary><c>wayang scan</c>: live workers against their profiles, the runtime's own files, the trees of profiles.</summary>
internal static class ScanCommand
{
    private static readonly Option<string?> s_baseline = new("--baseline")
    {
        HelpName = "FILE",
        Description = "Hashes of all files in the roots of profiles, and of images with --config: told what changed since FILE was written, then written anew.",
    };

    private static readonly Option<string?> s_config = new("--config", "-c")
    {
        HelpName = "FILE",
        Description = "The runtime's configuration: the files and roots that it names are looked at, too.",
    };

    public static Command Build()
    {
        var command = new Command("scan", "Compares what runs with what it should be: each worker with its profile, files with their owner and mode.") { s_baseline, s_config };
        DetailedHelp.Describe(
            command,
            """
            Each worker is looked at from outside, as the kernel shows it: namespaces, uid map, seccomp mode and number of filters,
            no_new_privs, capabilities, memory group, parent, mounts, open descriptors. One that is not what its profile says is killed,
            and its task ends with sandbox_violation. A worker's Landlock domain cannot be seen from outside. The node does the same by
            itself each security.scan_interval_seconds. Files: the installation, the policy, the socket, the roots of profiles that have one; with
            --config also what the configuration names: itself, tokens, keys, the state directory, files and roots of images. They are looked at with
            the rights of whoever asks; what is found is told to the node, which keeps it as an incident and an event.

            Examples:
              wayang scan
              wayang scan --json
              sudo wayang scan --config /etc/wayang.yaml
              sudo wayang scan --baseline /var/lib/wayang/roots.json

            Exit codes: 0 nothing found, or warnings only; 1 something critical was found; 125 there is no runtime; 2 wrong usage.
            """);
        command.SetAction(static async (result, cancellation) =>
        {
            var installation = Installation.Find();
            var session = await RuntimeSession.ConnectAsync(result.GetValue(ClientOptions.Socket), cancellation);
            await using (session)
            {
                var socket = Path.GetFullPath(result.GetValue(ClientOptions.Socket) ?? SocketPaths.Find());
                var configuration = result.GetValue(s_config);
                var settings = NodeConfiguration.Of(ConfigurationInput.Gather(configuration, result.GetValue(ClientOptions.Socket))).OrThrow().Settings;
                var trees = RuntimeFiles.TreesOf(settings);
                List<FindingInfo> files = [.. FileScan.Run(installation, Path.GetDirectoryName(socket)!, RuntimeFiles.Of(settings, configuration, socket), trees)];
                if (result.GetValue(s_baseline) is { } baseline)
                {
                    files.AddRange(Compare(installation, trees, baseline));
                }

                var scan = await session.Client.ScanAsync([.. files.Take(OperationTable.MaxReported).Select(Line)], cancellation);
                List<FindingInfo> findings = [.. scan.Findings, .. files];
                Print(scan, findings, result.GetValue(ClientOptions.Json));
                return findings.Exists(static f => f.Severity == "critical") ? ExitCodes.FunctionError : ExitCodes.Success;
            }
        });
        return command;
    }

    /// <summary>As the node takes it: one line of at most 1,000 bytes.</summary>
    private static string Line(FindingInfo finding)
    {
        var text = string.Concat($"{finding.Severity}: {finding.Where}: {finding.What}. {finding.Remedy}".Select(static c => char.IsControl(c) ? '?' : c));
        while (System.Text.Encoding.UTF8.GetByteCount(text) > 1_000)
        {
            text = text[..(text.Length * 9 / 10)];
        }

        return text;
    }

    private static IReadOnlyList<FindingInfo> Compare(Installation installation, IReadOnlyList<string> trees, string baseline)
    {
        try
        {
            return TreeBaseline.Compare(FileScan.RootsOf(ProbeProgram.ReadPolicy(installation.NativeDirectory, installation.PolicyDirectory)).Concat(trees).Distinct(StringComparer.Ordinal), baseline);
        }
        catch (Exception wrong) when (wrong is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new CommandException($"{baseline}: {wrong.Message}", "Name a file that an earlier scan wrote, or one that does not exist yet.");
        }
    }

    private static void Print(ScanInfo scan, List<FindingInfo> findings, bool json)
    {
        if (json)
        {
            JsonText.Print(writer =>
            {
                writer.WriteNumber("workers", scan.Workers);
                writer.WriteNumber("processes", scan.Processes);
                writer.WriteNumber("untold", scan.Untold);
                writer.WriteStartArray("findings");
                foreach (var finding in findings)
                {
                    writer.WriteStartObject();
                    writer.WriteString("severity", finding.Severity);
                    writer.WriteString("where", finding.Where);
                    writer.WriteString("what", finding.What);
                    writer.WriteString("remedy", finding.Remedy);
                    writer.WriteEndObject();
                }

                writer.WriteEndArray();
            });
            return;
        }

        foreach (var finding in findings)
        {
            Console.Out.WriteLine($"{finding.Severity,-9}{finding.Where}: {finding.What}\n         {finding.Remedy}");
        }

        Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{scan.Workers} workers, {scan.Processes} processes looked at; {findings.Count + scan.Untold} findings"));
    }
}
