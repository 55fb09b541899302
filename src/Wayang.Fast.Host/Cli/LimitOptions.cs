using System.CommandLine;
using System.Globalization;

using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Host.Cli;

/// <summary>What a task may use, as <c>run</c> and <c>submit</c> take it.</summary>
internal static class LimitOptions
{
    private static readonly Option<string?> Memory = Size("--memory", "Memory of all its processes together, and of what it writes: a number with K, M or G (of 1024).");
    private static readonly Option<string?> Reserve = Size("--reserve", "Memory that is left to it while the host can take other.");
    private static readonly Option<string?> Disk = Size("--disk", "Writable space: the size of its /tmp; from 16M on a file system on the disk where the node can make one, else in its memory.");

    private static readonly Option<string?> ReadRate = Size("--io-read", "Bytes that it reads from each disk in a second, at most: 10M.");
    private static readonly Option<string?> WriteRate = Size("--io-write", "Bytes that it writes to each disk in a second, at most.");
    private static readonly Option<int?> ReadOps = new("--io-read-ops") { Description = "Requests of it that read from each disk in a second, at most.", HelpName = "COUNT" };
    private static readonly Option<int?> WriteOps = new("--io-write-ops") { Description = "Requests of it that write to each disk in a second, at most.", HelpName = "COUNT" };

    private static readonly Option<string?> Cpu = new("--cpu")
    {
        Description = "Processors at most, however idle the host is: 0.5, 2.",
        HelpName = "NUMBER",
    };

    private static readonly Option<int?> Weight = new("--cpu-weight")
    {
        Description = "Share beside others, in per cent of what its class gives (1-1000).",
        HelpName = "PERCENT",
    };

    private static readonly Option<int?> Pids = new("--pids") { Description = "Processes and threads at once.", HelpName = "COUNT" };

    public static void AddTo(Command command)
    {
        foreach (var option in (Option[])[Memory, Cpu, Weight, Pids, Disk, Reserve, ReadRate, WriteRate, ReadOps, WriteOps])
        {
            command.Options.Add(option);
        }
    }

    /// <summary>Null: none of them was given.</summary>
    /// <exception cref="CommandException">A value is none.</exception>
    public static TaskLimits? Read(ParseResult result)
    {
        var limits = new TaskLimits
        {
            MemoryBytes = ReadSize("--memory", result.GetValue(Memory), TaskLimits.LeastMemoryBytes),
            ReservedBytes = ReadSize("--reserve", result.GetValue(Reserve), 4096),
            CpuMilli = ReadProcessors(result.GetValue(Cpu)),
            CpuWeight = ReadCount("--cpu-weight", result.GetValue(Weight), TaskLimits.MostCpuWeight),
            Pids = ReadCount("--pids", result.GetValue(Pids), TaskLimits.MostPids),
            DiskBytes = ReadSize("--disk", result.GetValue(Disk), TaskLimits.LeastDiskBytes),
            Io = new IoRates(
                ReadSize("--io-read", result.GetValue(ReadRate), IoRates.LeastBytes),
                ReadSize("--io-write", result.GetValue(WriteRate), IoRates.LeastBytes),
                ReadCount("--io-read-ops", result.GetValue(ReadOps), IoRates.MostOps),
                ReadCount("--io-write-ops", result.GetValue(WriteOps), IoRates.MostOps)),
        };
        return limits.Asked().Any() ? limits : null;
    }

    /// <summary>Bytes; what people write behind a number counts by 1024.</summary>
    internal static long ReadSize(string option, string? text, long least)
    {
        if (text is null)
        {
            return 0;
        }

        var digits = text.TakeWhile(static c => char.IsAsciiDigit(c) || c == '.').Count();
        var shift = text[digits..].ToUpperInvariant() switch
        {
            "" or "B" => 0,
            "K" or "KB" or "KIB" => 10,
            "M" or "MB" or "MIB" => 20,
            "G" or "GB" or "GIB" => 30,
            _ => -1,
        };
        if (shift < 0 || !double.TryParse(text.AsSpan(0, digits), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
            || number * (1L << shift) is var bytes && (bytes < least || bytes > TaskLimits.MostBytes))
        {
            throw Wrong(option, text, string.Create(CultureInfo.InvariantCulture, $"a size from {least} bytes on"), "256M");
        }

        return (long)(number * (1L << shift));
    }

    private static int ReadProcessors(string? text)
    {
        if (text is null)
        {
            return 0;
        }

        return double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
            && Math.Round(number * 1000) is >= TaskLimits.LeastCpuMilli and <= TaskLimits.MostCpuMilli and var milli
            ? (int)milli
            : throw Wrong("--cpu", text, "a number of processors from 0.01 to 1024", "0.5");
    }

    private static int ReadCount(string option, int? given, int most) =>
        given is null ? 0
        : given is > 0 && given <= most ? given.Value
        : throw Wrong(option, given.Value.ToString(CultureInfo.InvariantCulture), string.Create(CultureInfo.InvariantCulture, $"a number from 1 to {most}"), "64");

    private static Option<string?> Size(string name, string description) => new(name) { Description = description, HelpName = "SIZE" };

    private static CommandException Wrong(string option, string text, string allowed, string example) =>
        new($"{option} '{text}' is not {allowed}", $"Write, for example: {option} {example}", ExitCodes.Usage);
}
