using System.Globalization;

namespace Wayang.Fast.Execution.Limits;

/// <summary>Processors that the host has, not those that the daemon may use: workers may have more.</summary>
internal static class HostProcessors
{
    public static int Count { get; } = Read();

    private static int Read()
    {
        try
        {
            return Math.Max(Environment.ProcessorCount, CountOf(File.ReadAllText("/sys/devices/system/cpu/online")));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or FormatException or OverflowException)
        {
            return Environment.ProcessorCount; // a /sys that shows none: what we may use is all that we know of
        }
    }

    /// <summary>Of a list as the kernel writes it: 0-3,8.</summary>
    internal static int CountOf(string list) => list.Trim().Split(',').Sum(static part =>
    {
        var ends = part.Split('-');
        return int.Parse(ends[^1], CultureInfo.InvariantCulture) - int.Parse(ends[0], CultureInfo.InvariantCulture) + 1;
    });
}
