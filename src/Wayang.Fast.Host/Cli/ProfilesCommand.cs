using System.CommandLine;
using System.Text.Json;

using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Host.Configuration;
using Wayang.Fast.Host.Profiles;

namespace Wayang.Fast.Host.Cli;

/// <summary><c>wayang profiles</c>: what the isolation profiles of the policy, and those of a configuration, let tasks do.</summary>
internal static class ProfilesCommand
{
    private const int ExitFault = 1;

    private static readonly Argument<string> NameArgument = new("NAME") { Description = "A profile." };

    private static readonly Option<string?> Policy = new("--policy")
    {
        Description = $"The policy's directory (default: the installation's, or {Installation.PolicyVariable}).",
        HelpName = "DIR",
    };

    private static readonly Option<string?> Config = new("--config") { Description = "A configuration with profiles of its own (default: the one that 'wayang serve' would read).", HelpName = "FILE" };

    public static Command Build()
    {
        var command = new Command("profiles", "Lists the isolation profiles; 'profiles explain NAME' says what one allows.") { BuildExplain() };
        command.Options.Add(Policy);
        command.Options.Add(Config);
        Policy.Recursive = Config.Recursive = true;
        DetailedHelp.Describe(
            command,
            """
            The policy's profiles stand in files that only root writes. A configuration may define others, each tighter than one
            of those; the spawner compares them when the runtime starts and refuses what is not tighter:

              profiles:
                locked:
                  inherits: standard
                  paths: [/usr, /lib, /lib64]
                  syscalls: {remove: [inotify_init1, memfd_create]}
                  network: none
                  limits: {memory: 256MiB, pids: 16, file_size: 0}

            Exit codes: 0; 1 a profile cannot be used (explain: also when it has warnings); 2 wrong usage.

            Examples:
              wayang profiles
              wayang profiles explain network
            """);
        command.SetAction(static result =>
        {
            var (policy, all, wider) = Load(result);
            if (result.GetValue(ClientOptions.Json))
            {
                JsonText.Print(writer =>
                {
                    writer.WriteStartArray("profiles");
                    foreach (var profile in all.Values)
                    {
                        writer.WriteStartObject();
                        Write(writer, profile, all, policy, wider);
                        writer.WriteEndObject();
                    }

                    writer.WriteEndArray();
                });
            }
            else
            {
                foreach (var profile in all.Values)
                {
                    var origin = profile.Inherits is { } basis ? $"tighter than {basis}" : "policy";
                    Console.Out.WriteLine($"{profile.Name,-16} {origin,-22} {(profile.HasFiles ? "files" : "no files"),-9} network {profile.Network}");
                }

                TellWider(wider);
            }

            return wider.Count == 0 ? ExitCodes.Success : ExitFault;
        });
        return command;
    }

    private static Command BuildExplain()
    {
        var explain = new Command("explain", "Says in words what a profile allows, why it is weaker than others, and what is dangerous in it.") { NameArgument };
        DetailedHelp.Describe(
            explain,
            """
            Exit codes: 0 nothing to warn of; 1 warnings, or it cannot be used; 2 there is no such profile.

            Example:
              wayang profiles explain standard
            """);
        explain.SetAction(static result =>
        {
            var name = result.GetRequiredValue(NameArgument);
            var (policy, all, wider) = Load(result);
            if (!all.TryGetValue(name, out var profile))
            {
                var nearest = NearestName.Of(name, all.Keys);
                throw new CommandException(
                    wider.TryGetValue(name, out var faults) ? $"profile '{name}' cannot be used: {string.Join("; ", faults)}" : $"there is no profile '{name}'",
                    nearest is null ? $"There are: {string.Join(", ", all.Keys)}." : $"Did you mean {nearest}?", ExitCodes.Usage);
            }

            if (result.GetValue(ClientOptions.Json))
            {
                JsonText.Print(writer => Write(writer, profile, all, policy, wider));
            }
            else
            {
                Tell(profile, all, policy, wider);
            }

            return ProfileLint.Warnings(profile, policy.AllowsHostNetwork).Any() || wider.ContainsKey(name) ? ExitFault : ExitCodes.Success;
        });
        return explain;
    }

    private static (PolicyView Policy, SortedDictionary<string, PolicyProfile> All, Dictionary<string, List<string>> Wider) Load(ParseResult result)
    {
        PolicyCheck.Use(result.GetValue(Policy));
        var policy = PolicyReader.Read(Installation.Find().PolicyDirectory);
        var configuration = NodeConfiguration.Of(ConfigurationInput.Gather(result.GetValue(Config))).OrThrow();
        var wider = new Dictionary<string, List<string>>(StringComparer.Ordinal);
        return (policy, ProfileDerivation.All(policy, configuration.Settings.Profiles, wider), wider);
    }

    private static void Tell(PolicyProfile profile, SortedDictionary<string, PolicyProfile> all, PolicyView policy, Dictionary<string, List<string>> wider)
    {
        Console.Out.WriteLine(profile.Inherits is { } basis
            ? $"{profile.Name}: a configuration's profile, tighter than {basis}"
            : $"{profile.Name}: a profile of the policy in {policy.Directory}");
        Lines("can", ProfileWords.Can(profile));
        Lines("cannot", ProfileWords.Cannot(profile));
        foreach (var (name, reasons) in Comparisons(profile, all))
        {
            Console.Out.WriteLine(reasons.Count == 0 ? $"as strong as {name}, or stronger" : $"weaker than {name}: {string.Join("; ", reasons)}");
        }

        foreach (var warning in ProfileLint.Warnings(profile, policy.AllowsHostNetwork))
        {
            Console.Out.WriteLine($"warning: {warning}");
        }

        TellWider(wider);

        static void Lines(string title, IEnumerable<string> lines)
        {
            foreach (var line in lines)
            {
                Console.Out.WriteLine($"  {title,-7} {line}");
            }
        }
    }

    private static void TellWider(Dictionary<string, List<string>> wider)
    {
        foreach (var (name, faults) in wider)
        {
            Console.Out.WriteLine($"refused: {name}: {string.Join("; ", faults)} (a configuration may only make a profile tighter)");
        }
    }

    /// <summary>With the shipped ones, and with what it inherits.</summary>
    private static IEnumerable<(string Name, List<string> Reasons)> Comparisons(PolicyProfile profile, SortedDictionary<string, PolicyProfile> all) =>
        new[] { "compute", "standard", profile.Inherits }.Where(n => n is not null && n != profile.Name && all.ContainsKey(n)).Distinct(StringComparer.Ordinal)
            .Select(n => (n!, ProfileWords.WeakerThan(profile, all[n!]).ToList()));

    private static void Write(
        Utf8JsonWriter writer, PolicyProfile profile, SortedDictionary<string, PolicyProfile> all, PolicyView policy, Dictionary<string, List<string>> wider)
    {
        writer.WriteString("name", profile.Name);
        writer.WriteString("inherits", profile.Inherits);
        writer.WriteString("network", profile.Network);
        JsonText.WriteTexts(writer, "can", ProfileWords.Can(profile));
        JsonText.WriteTexts(writer, "cannot", ProfileWords.Cannot(profile));
        writer.WriteStartObject("weaker_than");
        foreach (var (name, reasons) in Comparisons(profile, all))
        {
            JsonText.WriteTexts(writer, name, reasons);
        }

        writer.WriteEndObject();
        JsonText.WriteTexts(writer, "warnings", ProfileLint.Warnings(profile, policy.AllowsHostNetwork));
        JsonText.WriteTexts(writer, "refused", wider.GetValueOrDefault(profile.Name) ?? []);
    }
}
