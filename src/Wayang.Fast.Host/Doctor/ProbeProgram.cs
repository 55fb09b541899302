using System.Diagnostics;
using System.Globalization;

namespace Wayang.Fast.Host.Doctor;

/// <summary>What <c>wayang-probe</c> answered to one question.</summary>
/// <param name="Name">group.what</param>
/// <param name="Holds">Null: it could not be found out.</param>
/// <param name="Value">A version, a number, or why not.</param>
internal sealed record ProbeAnswer(string Name, bool? Holds, string Value);

/// <summary>A policy as the native loader reads it.</summary>
/// <param name="Fault">Null when it is valid.</param>
/// <param name="Profiles">Name, then "files" or "root DIRECTORY".</param>
internal sealed record PolicyFacts(string? Fault, long FirstUid, long UidCount, IReadOnlyList<string> Profiles);

/// <summary>Runs <c>wayang-probe</c>: all that needs system calls is tried there, each attempt in a process of its own.</summary>
internal static class ProbeProgram
{
    private const string Name = "wayang-probe";
    private const int MaxLines = 1000;

    // Each check has a limit of its own; together they stay far below this.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    public static string PathIn(string nativeDirectory) => Path.Combine(nativeDirectory, Name);

    /// <summary>Empty when the program cannot be run.</summary>
    public static IReadOnlyList<ProbeAnswer> Run(string nativeDirectory, string prefix, string runtimeDirectory) =>
        Execute(nativeDirectory, "--only", prefix, "--native", nativeDirectory, "--runtime-dir", runtimeDirectory);

    public static PolicyFacts ReadPolicy(string nativeDirectory, string policyDirectory)
    {
        var answers = Execute(nativeDirectory, "--policy", policyDirectory);
        var verdict = answers.FirstOrDefault(static a => a.Name == "policy");
        if (verdict is not { Holds: true })
        {
            return new PolicyFacts(verdict?.Value ?? $"{Name} did not answer", 0, 0, []);
        }

        var uids = (answers.FirstOrDefault(static a => a.Name == "policy.uids")?.Value ?? string.Empty).Split(' ');
        return new PolicyFacts(
            Fault: null,
            long.TryParse(uids[0], NumberStyles.None, CultureInfo.InvariantCulture, out var first) ? first : 0,
            uids.Length > 1 && long.TryParse(uids[1], NumberStyles.None, CultureInfo.InvariantCulture, out var count) ? count : 0,
            [.. answers.Where(static a => a.Name == "policy.profile").Select(static a => a.Value)]);
    }

    /// <summary>What of a profile's own root should not be there: <c>tree.setuid</c> and the like with the path.</summary>
    public static IReadOnlyList<ProbeAnswer> ReadTree(string nativeDirectory, string directory) => Execute(nativeDirectory, "--tree", directory);

    /// <summary>What each path is, in their order: <c>UID GID MODE KIND</c>, or why that cannot be told.</summary>
    /// <returns>Empty when the program cannot be run.</returns>
    public static IReadOnlyList<ProbeAnswer> ReadOwn(string nativeDirectory, IReadOnlyList<string> paths) =>
        Execute(nativeDirectory, ["--own", "--", .. paths]) is var answers && answers.Count == paths.Count ? answers : [];

    private static List<ProbeAnswer> Execute(string nativeDirectory, params ReadOnlySpan<string> arguments)
    {
        var start = new ProcessStartInfo(PathIn(nativeDirectory)) { RedirectStandardOutput = true, UseShellExecute = false };
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        var answers = new List<ProbeAnswer>();
        try
        {
            using var process = Process.Start(start);
            if (process is null)
            {
                return answers;
            }

            using var limit = new Timer(_ => process.Kill(entireProcessTree: true), state: null, Patience, Timeout.InfiniteTimeSpan);
            while (answers.Count < MaxLines && process.StandardOutput.ReadLine() is { } line)
            {
                var fields = line.Split('\t', 3);
                if (fields.Length == 3)
                {
                    answers.Add(new ProbeAnswer(fields[0], fields[1] switch { "yes" => true, "no" => false, _ => null }, fields[2]));
                }
            }

            process.WaitForExit();
        }
        catch (System.ComponentModel.Win32Exception)
        {
            // Not there or not executable: the installation's own check says so.
        }

        return answers;
    }
}
