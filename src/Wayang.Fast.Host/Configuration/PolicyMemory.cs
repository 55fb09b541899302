using System.Globalization;

namespace Wayang.Fast.Host.Configuration;

/// <summary>
/// What each profile of the isolation policy allows a worker: its line "memory 1G". The spawner reads the policy for itself and refuses
/// more; this is read so that less than the profile's can be asked for, and so that a limit above it can be told.
/// </summary>
internal static class PolicyMemory
{
    private const int MaxProfileBytes = 64 << 10;

    /// <summary>Profiles that cannot be read are left out.</summary>
    public static IReadOnlyDictionary<string, long> Read(string policyDirectory)
    {
        var limits = new Dictionary<string, long>(StringComparer.Ordinal);
        try
        {
            foreach (var file in Directory.EnumerateFiles(policyDirectory, "*.profile"))
            {
                if (new FileInfo(file).Length <= MaxProfileBytes && LimitIn(File.ReadLines(file)) is { } bytes)
                {
                    limits[Path.GetFileNameWithoutExtension(file)] = bytes;
                }
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // The caller tells that limits are missing.
        }

        return limits;
    }

    /// <summary>One line for each profile whose limit is below what is asked for.</summary>
    public static IEnumerable<string> Conflicts(long wanted, IReadOnlyDictionary<string, long> limits) =>
        limits.Where(l => wanted > l.Value).OrderBy(static l => l.Key, StringComparer.Ordinal).Select(l =>
            $"limits.worker_memory_bytes is {ValueReader.SizeText(wanted)}, but the profile {l.Key} allows {ValueReader.SizeText(l.Value)}: its workers get that (policy/{l.Key}.profile)");

    private static long? LimitIn(IEnumerable<string> lines)
    {
        foreach (var line in lines)
        {
            var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words is ["memory", var text])
            {
                var shift = text[^1] switch { 'K' => 10, 'M' => 20, 'G' => 30, _ => 0 };
                var digits = shift == 0 ? text : text[..^1];
                return long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= long.MaxValue >> shift
                    ? number << shift
                    : null;
            }
        }

        return null;
    }
}
