using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Host.Configuration;

namespace Wayang.Fast.Host.Doctor;

/// <summary>
/// The part of a security scan that looks at files: the installation's and the runtime's own (owner, mode), the policy, and the trees
/// of profiles with a root of their own. It sees what the caller may see; what it cannot read it says.
/// </summary>
internal static class FileScan
{
    private const string RootWord = " root ";

    /// <param name="installation">Whose programs look.</param>
    /// <param name="runtimeDirectory">Where the socket lies.</param>
    /// <param name="files">Of the runtime's own.</param>
    /// <param name="trees">Roots of images, beside those of profiles.</param>
    public static IReadOnlyList<FindingInfo> Run(Installation installation, string runtimeDirectory, IReadOnlyList<OwnFile> files, IReadOnlyList<string> trees)
    {
        var findings = new List<FindingInfo>();
        foreach (var answer in ProbeProgram.Run(installation.NativeDirectory, "installation.", runtimeDirectory))
        {
            if (answer.Holds is false)
            {
                findings.Add(Critical(answer.Name, answer.Value, "Make it root's (or yours), closed to other writers; then start the runtime again."));
            }
        }

        var policy = ProbeProgram.ReadPolicy(installation.NativeDirectory, installation.PolicyDirectory);
        if (policy.Fault is { } fault)
        {
            findings.Add(Critical(installation.PolicyDirectory, fault, "Correct that file: the spawner refuses the policy at its next start."));
        }

        findings.AddRange(RuntimeFiles.Judge(files, ProbeProgram.ReadOwn(installation.NativeDirectory, [.. files.Select(static f => f.Path)])));
        foreach (var root in RootsOf(policy).Concat(trees).Distinct(StringComparer.Ordinal))
        {
            findings.AddRange(ProbeProgram.ReadTree(installation.NativeDirectory, root).Where(static a => a.Name.StartsWith("tree.", StringComparison.Ordinal)).Select(Describe));
        }

        return findings;
    }

    /// <summary>The trees of profiles that have one.</summary>
    public static IReadOnlyList<string> RootsOf(PolicyFacts policy) =>
        [.. policy.Profiles.Where(static p => p.Contains(RootWord, StringComparison.Ordinal)).Select(static p => p[(p.IndexOf(RootWord, StringComparison.Ordinal) + RootWord.Length)..])];

    private static FindingInfo Describe(ProbeAnswer answer) => answer.Name switch
    {
        "tree.device" => Critical(answer.Value, "a device node in a root of tasks", "Remove it: tasks get the devices that they may have from the runtime."),
        "tree.setuid" => Warning(answer.Value, "a setuid or setgid program in a root of tasks", "Remove the bit (chmod ug-s): it has no effect in a task, and none is needed."),
        "tree.writable" => Warning(answer.Value, "everybody on this host may write it", "chmod o-w: who writes it decides what those tasks run."),
        _ => Warning(answer.Value, "cannot be read", "Scan as root, or as the owner of the tree; if it is gone, correct what names it."),
    };

    private static FindingInfo Critical(string where, string what, string remedy) => new("critical", where, what, remedy);

    private static FindingInfo Warning(string where, string what, string remedy) => new("warning", where, what, remedy);
}
