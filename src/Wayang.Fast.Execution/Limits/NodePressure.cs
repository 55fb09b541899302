using System.Globalization;

namespace Wayang.Fast.Execution.Limits;

/// <summary>How long tasks of the host stood still for want of a resource, as the kernel tells it (PSI).</summary>
/// <param name="Resource">cpu, memory or io.</param>
/// <param name="Kind">some: at least one task; full: all at once.</param>
/// <param name="Share">Of the last ten seconds: 0 to 1.</param>
/// <param name="Total">Since the host was started.</param>
internal sealed record NodePressure(string Resource, string Kind, double Share, TimeSpan Total)
{
    private const string Folder = "/proc/pressure";

    private static readonly string[] Resources = ["cpu", "memory", "io"];

    /// <summary>Empty where the kernel has none, or was told to keep it off. Reads three small files.</summary>
    /// <param name="folder">Where they lie.</param>
    public static IReadOnlyList<NodePressure> Read(string folder = Folder) => [.. Resources.SelectMany(resource => Read(folder, resource))];

    /// <summary>Of the last ten seconds, the share in which at least one task waited for memory; 0 where the kernel does not tell.</summary>
    // Once a second for ever: it makes no more garbage than the file's handle.
    public static double ReadMemoryShare()
    {
        Span<byte> text = stackalloc byte[256];
        try
        {
            using var file = File.OpenHandle(Folder + "/memory");
            text = text[..RandomAccess.Read(file, text, 0)];
        }
        catch (Exception missing) when (missing is IOException or UnauthorizedAccessException)
        {
            return 0; // this kernel does not count it
        }

        ReadOnlySpan<byte> start = "some avg10="u8;
        return text.StartsWith(start) && System.Buffers.Text.Utf8Parser.TryParse(text[start.Length..], out double percent, out _) ? percent / 100 : 0;
    }

    private static NodePressure[] Read(string folder, string resource)
    {
        try
        {
            return [.. File.ReadLines(Path.Combine(folder, resource)).Select(line => Parse(resource, line)).OfType<NodePressure>()];
        }
        catch (Exception missing) when (missing is IOException or UnauthorizedAccessException)
        {
            return []; // this kernel does not count it
        }
    }

    /// <summary>"some avg10=0.12 avg60=0.05 avg300=0.01 total=12345"</summary>
    private static NodePressure? Parse(string resource, string line)
    {
        var words = line.Split(' ');
        return words is [var kind, _, _, _, _]
            && Number(words, "avg10=") is { } percent && Number(words, "total=") is { } microseconds
                ? new NodePressure(resource, kind, percent / 100, TimeSpan.FromMicroseconds(microseconds))
                : null;
    }

    private static double? Number(string[] words, string key) =>
        Array.Find(words, w => w.StartsWith(key, StringComparison.Ordinal)) is { } word
        && double.TryParse(word.AsSpan(key.Length), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
            ? number
            : null;
}
