using Wayang.Fast.Client;
using Wayang.Fast.Host.Configuration;

namespace Wayang.Fast.Host.Doctor;

/// <summary>All checks, or those of one group, in the order in which they are shown.</summary>
internal static class Examination
{
    public static async Task<IReadOnlyList<Finding>> RunAsync(string? only, string? policyDirectory, string? socket, CancellationToken cancellation)
    {
        var findings = new List<Finding>();
        Installation? installation = null;
        try
        {
            installation = Installation.Find();
        }
        catch (ConfigurationException error)
        {
            findings.Add(new Finding("installation", "programs", Level.Missing, Required: true, error.Message, "the runtime cannot be started", "./build.sh build"));
        }

        findings.AddRange(Probe(installation, only));
        findings.AddRange(HostFacts.All());
        if (installation is not null && only is null or "installation")
        {
            findings.AddRange(await InstallationFacts.AllAsync(installation, policyDirectory ?? installation.PolicyDirectory, socket, cancellation));
        }

        // A stable sort: within a group the checks stay as they were made.
        return [.. findings.Where(f => only is null || f.Group == only).OrderBy(static f => CheckRules.Groups.ToList().IndexOf(f.Group))];
    }

    private static IEnumerable<Finding> Probe(Installation? installation, string? only)
    {
        var rules = CheckRules.All.Where(r => only is null || r.Name.StartsWith(only + ".", StringComparison.Ordinal)).ToList();
        var answers = installation is null || rules.Count == 0
            ? []
            : ProbeProgram.Run(installation.NativeDirectory, only is null ? string.Empty : only + ".", RuntimeDirectories.Default);
        var byName = answers.ToDictionary(static a => a.Name, StringComparer.Ordinal);
        var version = byName.GetValueOrDefault("groups.version")?.Value ?? string.Empty;
        var host = new HostNature(SocketPaths.EffectiveUser() == 0, version);
        return rules.Select(r => CheckRules.Judge(r, byName.GetValueOrDefault(r.Name), host));
    }
}
