using System.Globalization;
using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Host.Configuration;

/// <summary>Turns what is written for a key into its value, or says what may be written instead.</summary>
internal static class ValueReader
{
    private static readonly (string Suffix, int Shift)[] SizeUnits = [("KiB", 10), ("MiB", 20), ("GiB", 30)];

    /// <summary>What people write behind a number, with what it stands for in milliseconds or bytes.</summary>
    private static readonly (string[] Words, double Factor, bool IsTime)[] Units =
    [
        (["us", "microsecond", "microseconds"], 0.001, true),
        (["ms", "msec", "millisecond", "milliseconds"], 1, true),
        (["s", "sec", "second", "seconds"], 1_000, true),
        (["m", "min", "minute", "minutes"], 60_000, true),
        (["h", "hour", "hours"], 3_600_000, true),
        (["d", "day", "days"], 86_400_000, true),
        (["b", "byte", "bytes"], 1, false),
        (["k", "kb", "kib"], 1 << 10, false),
        (["mb", "mib"], 1 << 20, false),
        (["g", "gb", "gib"], 1 << 30, false),
        (["t", "tb", "tib"], 1L << 40, false),
    ];

    /// <summary>Null and the value; or why not.</summary>
    public static string? TryRead(ConfigurationKey key, string text, out ConfigurationValue value)
    {
        value = default;
        if (text.Trim().Length == 0)
        {
            return $"has no value; it must be {Allowed(key)}";
        }

        var good = key.Kind switch
        {
            KeyKind.Number => TryNumber(key, text, 0, out value),
            KeyKind.Size => TrySize(key, text, out value),
            KeyKind.Decimal => TryDecimal(key, text, out value),
            KeyKind.Flag => TryFlag(text, out value),
            KeyKind.Address => TryAddress(key, text, out value),
            KeyKind.Word => TryWord(key, text, out value),
            KeyKind.Name => TryName(text, out value),
            _ => TryPath(key, text, out value),
        };
        if (!good)
        {
            var hint = UnitHint(key, text.Trim());
            return $"must be {Allowed(key)}, not {(key.IsSecret ? "what was given" : $"'{Shortened(text)}'")}{(hint is null ? string.Empty : $"; {hint}")}";
        }

        return key.Only is { } only && value.Text != only.Value ? $"must be {only.Value}: {only.Reason}" : null;
    }

    public static string Allowed(ConfigurationKey key)
    {
        var zero = key.ZeroMeans is null ? string.Empty : $", or 0: {key.ZeroMeans}";
        var unit = key.Unit.Length == 0 ? string.Empty : $" ({UnitWord(key.Unit)})";
        return key.Kind switch
        {
            KeyKind.Number => string.Create(CultureInfo.InvariantCulture, $"a whole number from {key.Minimum} to {key.Maximum}{unit}{zero}"),
            KeyKind.Size => $"a size from {SizeText(key.Minimum)} to {SizeText(key.Maximum)}: a whole number of bytes, or one with KiB, MiB or GiB{zero}",
            KeyKind.Decimal => string.Create(CultureInfo.InvariantCulture, $"a number from {key.Fraction.Least} to {key.Fraction.Most}"),
            KeyKind.Flag => key.Only?.Value ?? "true or false",
            KeyKind.Address => "ADDRESS:PORT, for example 127.0.0.1:7800",
            KeyKind.Word => string.Join(" or ", key.Choices),
            KeyKind.Name => string.Create(CultureInfo.InvariantCulture, $"1 to {PeerFields.MaxNodeName} of A-Z a-z 0-9 . _ -"),
            _ => string.Create(CultureInfo.InvariantCulture, $"an absolute path of at most {key.Maximum} bytes"),
        };
    }

    /// <summary>Bytes with the largest unit that is exact: 1GiB, 1536MiB, 1000.</summary>
    public static string SizeText(long bytes)
    {
        for (var i = SizeUnits.Length - 1; i >= 0 && bytes > 0; i--)
        {
            var (suffix, shift) = SizeUnits[i];
            if ((bytes & ((1L << shift) - 1)) == 0)
            {
                return string.Create(CultureInfo.InvariantCulture, $"{bytes >> shift}{suffix}");
            }
        }

        return bytes.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>For messages: a value that somebody else wrote may be long.</summary>
    public static string Shortened(string text)
    {
        const int shown = 60;
        var line = text.ReplaceLineEndings(" ");
        return line.Length <= shown ? line : line[..shown] + "...";
    }

    private static bool TryNumber(ConfigurationKey key, string text, int shift, out ConfigurationValue value)
    {
        value = default;
        var plain = text.Trim().Replace("_", "", StringComparison.Ordinal);
        if (!long.TryParse(plain, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number > long.MaxValue >> shift)
        {
            return false;
        }

        number <<= shift;
        value = new ConfigurationValue(number, key.Kind == KeyKind.Size ? SizeText(number) : number.ToString(CultureInfo.InvariantCulture));
        return (number == 0 && key.ZeroMeans is not null) || (number >= key.Minimum && number <= key.Maximum);
    }

    private static bool TrySize(ConfigurationKey key, string text, out ConfigurationValue value)
    {
        var trimmed = text.Trim();
        foreach (var (suffix, shift) in SizeUnits)
        {
            if (trimmed.EndsWith(suffix, StringComparison.Ordinal))
            {
                return TryNumber(key, trimmed[..^suffix.Length], shift, out value);
            }
        }

        return TryNumber(key, trimmed, 0, out value);
    }

    private static bool TryDecimal(ConfigurationKey key, string text, out ConfigurationValue value)
    {
        var good = double.TryParse(text.Trim(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
            && number >= key.Fraction.Least && number <= key.Fraction.Most;
        value = new ConfigurationValue(good ? (long)Math.Round(number * 100) : 0, number.ToString(CultureInfo.InvariantCulture));
        return good;
    }

    private static bool TryFlag(string text, out ConfigurationValue value)
    {
        var trimmed = text.Trim();
        value = new ConfigurationValue(trimmed == "true" ? 1 : 0, trimmed);
        return trimmed is "true" or "false";
    }

    private static bool TryWord(ConfigurationKey key, string text, out ConfigurationValue value)
    {
        var index = key.Choices.ToList().IndexOf(text.Trim());
        value = new ConfigurationValue(index, text.Trim());
        return index >= 0;
    }

    private static bool TryName(string text, out ConfigurationValue value)
    {
        value = new ConfigurationValue(0, text.Trim());
        return PeerFields.IsNodeName(value.Text);
    }

    private static bool TryAddress(ConfigurationKey key, string text, out ConfigurationValue value)
    {
        var address = RpcTcpSettings.ParseAddress(text.Trim(), key.DefaultPort);
        value = new ConfigurationValue(0, address?.ToString() ?? string.Empty);
        return address is not null;
    }

    private static bool TryPath(ConfigurationKey key, string text, out ConfigurationValue value)
    {
        value = new ConfigurationValue(0, text);
        var length = System.Text.Encoding.UTF8.GetByteCount(text);
        return length >= key.Minimum && length <= key.Maximum && Path.IsPathRooted(text) && !text.Contains('\0', StringComparison.Ordinal);
    }

    /// <summary>For "10 GB" or "5 minutes" where a plain number in the key's unit is meant: what to write.</summary>
    private static string? UnitHint(ConfigurationKey key, string text)
    {
        if (key.Kind == KeyKind.Flag)
        {
            return text.ToUpperInvariant() switch
            {
                "YES" or "ON" or "1" or "TRUE" => "write true",
                "NO" or "OFF" or "0" or "FALSE" => "write false",
                _ => null,
            };
        }

        var digits = text.TakeWhile(static c => char.IsAsciiDigit(c) || c == '.').Count();
        var word = text[digits..].Trim();
        if (digits == 0 || word.Length == 0 || key.Kind is not (KeyKind.Number or KeyKind.Size)
            || !double.TryParse(text[..digits], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var amount)
            || FactorOf(word) is not { } given)
        {
            return null;
        }

        if (FactorOf(key.Kind == KeyKind.Size ? "b" : key.Unit) is not { } own || own.IsTime != given.IsTime)
        {
            return key.Unit.Length == 0 ? "it has no unit" : $"its unit is {UnitWord(key.Unit)}";
        }

        var meant = amount * given.Factor / own.Factor;
        return meant is >= 1 and < long.MaxValue / 2 && Math.Abs(meant - Math.Round(meant)) < 1e-9
            ? $"write {(key.Kind == KeyKind.Size ? SizeText((long)meant) : ((long)meant).ToString(CultureInfo.InvariantCulture))}"
            : $"its unit is {UnitWord(key.Unit)}";
    }

    private static (double Factor, bool IsTime)? FactorOf(string word)
    {
        foreach (var (words, factor, isTime) in Units)
        {
            if (words.Contains(word, StringComparer.OrdinalIgnoreCase))
            {
                return (factor, isTime);
            }
        }

        return null;
    }

    private static string UnitWord(string unit) => unit switch
    {
        "us" => "microseconds",
        "ms" => "milliseconds",
        "s" => "seconds",
        "min" => "minutes",
        "h" => "hours",
        _ => unit,
    };
}
