using System.Security.Cryptography;
using System.Text.Json;
using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Host.Doctor;

/// <summary>Hashes of all files in the trees of profiles, kept from scan to scan: what changed in between is told.</summary>
internal static class TreeBaseline
{
    private const int MaxFiles = 1_000_000;

    /// <summary>Compares with what <paramref name="baseline"/> holds, if it is there, and writes the hashes of now into it.</summary>
    /// <exception cref="IOException">The baseline cannot be read or written.</exception>
    /// <exception cref="JsonException">It is none.</exception>
    public static IReadOnlyList<FindingInfo> Compare(IEnumerable<string> roots, string baseline)
    {
        var now = roots.SelectMany(Hashes).Take(MaxFiles).ToDictionary(static h => h.Path, static h => h.Hash, StringComparer.Ordinal);
        var findings = new List<FindingInfo>();
        if (File.Exists(baseline))
        {
            var before = JsonSerializer.Deserialize(File.ReadAllText(baseline), BaselineContext.Default.DictionaryStringString) ?? [];
            findings.AddRange(now.Where(f => before.TryGetValue(f.Key, out var hash) && hash != f.Value).Select(static f => Changed(f.Key, "its content changed since the last scan")));
            findings.AddRange(now.Keys.Except(before.Keys, StringComparer.Ordinal).Select(static p => Changed(p, "it is new since the last scan")));
            findings.AddRange(before.Keys.Except(now.Keys, StringComparer.Ordinal).Select(static p => Changed(p, "it is gone since the last scan")));
        }

        var written = baseline + ".new";
        File.WriteAllText(written, JsonSerializer.Serialize(now, BaselineContext.Default.DictionaryStringString));
        File.Move(written, baseline, overwrite: true);
        return [.. findings.OrderBy(static f => f.Where, StringComparer.Ordinal)];
    }

    private static IEnumerable<(string Path, string Hash)> Hashes(string root)
    {
        var all = new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true, AttributesToSkip = FileAttributes.ReparsePoint };
        foreach (var path in Directory.EnumerateFiles(root, "*", all))
        {
            yield return (path, HashOf(path));
        }
    }

    private static string HashOf(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            return Convert.ToHexStringLower(SHA256.HashData(file));
        }
        catch (Exception closed) when (closed is IOException or UnauthorizedAccessException)
        {
            return "unreadable";
        }
    }

    private static FindingInfo Changed(string path, string what) =>
        new("warning", path, what, "If that was not you, take the profile out of use and make its root anew.");
}

[System.Text.Json.Serialization.JsonSerializable(typeof(Dictionary<string, string>))]
internal sealed partial class BaselineContext : System.Text.Json.Serialization.JsonSerializerContext;
