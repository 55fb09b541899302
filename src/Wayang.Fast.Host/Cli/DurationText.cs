using System.Globalization;

namespace Wayang.Fast.Host.Cli;

/// <summary>Durations on the command line: a number with ms, s, m or h; a plain number means seconds.</summary>
internal static class DurationText
{
    /// <exception cref="CommandException">It is none, under a millisecond, or over 49 days.</exception>
    public static TimeSpan? Read(string option, string? text)
    {
        if (text is null)
        {
            return null;
        }

        var (digits, unit) = text switch
        {
            _ when text.EndsWith("ms", StringComparison.Ordinal) => (text[..^2], 1.0),
            _ when text.EndsWith('s') => (text[..^1], 1_000.0),
            _ when text.EndsWith('m') => (text[..^1], 60_000.0),
            _ when text.EndsWith('h') => (text[..^1], 3_600_000.0),
            _ => (text, 1_000.0),
        };
        if (!double.TryParse(digits, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
            || number * unit is < 1 or > uint.MaxValue)
        {
            throw new CommandException($"{option} '{text}' is no time", $"Write a positive number with ms, s, m or h: {option} 1500ms, {option} 2m.", ExitCodes.Usage);
        }

        return TimeSpan.FromMilliseconds((uint)(number * unit));
    }
}
