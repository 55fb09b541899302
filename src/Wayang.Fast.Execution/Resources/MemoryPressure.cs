using System.Globalization;

namespace Wayang.Fast.Execution.Resources;

/// <summary>Pressure stall information of the host (Documentation/accounting/psi.rst of the kernel).</summary>
internal static class MemoryPressure
{
    private const string Path = "/proc/pressure/memory";
    private const string Field = "avg10=";

    /// <summary>Percent of the last ten seconds in which at least one task waited for memory; 0 where the kernel does not tell.</summary>
    public static double Read()
    {
        try
        {
            return Parse(File.ReadAllText(Path));
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }

    internal static double Parse(string text)
    {
        var line = text.Split('\n').FirstOrDefault(static l => l.StartsWith("some ", StringComparison.Ordinal)) ?? string.Empty;
        var at = line.IndexOf(Field, StringComparison.Ordinal);
        var value = at < 0 ? string.Empty : line[(at + Field.Length)..].Split(' ')[0];
        return double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var percent) ? percent : 0;
    }
}
