using System.Globalization;

namespace Wayang.Fast.Gateway.Audit;

/// <summary>Names of the files of an audit log: <c>audit-NNNNNN.jsonl</c>. The highest number is written, the others are whole.</summary>
public static class AuditFiles
{
    private const string Prefix = "audit-";
    private const string Suffix = ".jsonl";

    /// <summary>For those who watch the directory.</summary>
    public const string Pattern = Prefix + "*" + Suffix;

    /// <summary>The files of a directory and their numbers, the oldest first.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static IReadOnlyList<(int Number, string Path)> In(string directory) =>
    [
        .. Directory.EnumerateFiles(directory, Pattern).Select(static path => (Number: NumberOf(path), Path: path))
            .Where(static file => file.Number > 0).OrderBy(static file => file.Number),
    ];

    public static string PathOf(string directory, int number) => Path.Combine(directory, string.Create(CultureInfo.InvariantCulture, $"{Prefix}{number:D6}{Suffix}"));

    private static int NumberOf(string path) =>
        int.TryParse(Path.GetFileName(path)[Prefix.Length..^Suffix.Length], NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;
}
