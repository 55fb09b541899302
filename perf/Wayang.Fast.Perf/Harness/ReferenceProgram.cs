using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Wayang.Fast.Perf.Harness;

/// <summary>A C program that measures what the machine can do; built from perf/native.</summary>
public sealed class ReferenceProgram
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
    private static readonly string[] ValueNames = ["value", "median_ns", "median", "ns", "rtt_ns"];

    private readonly string path;

    public ReferenceProgram(string folder, string name)
    {
        path = Path.Combine(folder, name);
        if (!File.Exists(path))
        {
            throw new PerfException($"{path} does not exist: build it with './build.sh build'");
        }
    }

    /// <summary>Runs the program to its end and returns its median in nanoseconds.</summary>
    public double MeasureNanoseconds(params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(path, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        using var process = Process.Start(start) ?? throw new PerfException($"{path} did not start");
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEndAsync();
        if (!process.WaitForExit(Patience))
        {
            process.Kill(entireProcessTree: true);
            throw new PerfException($"{path} did not end within {Patience.TotalSeconds} s");
        }

        if (process.ExitCode != 0)
        {
            throw new PerfException($"{path} ended with {process.ExitCode}: {errors.GetAwaiter().GetResult().Trim()}");
        }

        return ReadNanoseconds(output.GetAwaiter().GetResult());
    }

    /// <summary>Reads {"value":1.5,"unit":"us"} (or a bare number of nanoseconds) from the last line.</summary>
    private double ReadNanoseconds(string output)
    {
        var line = output.Split('\n', StringSplitOptions.RemoveEmptyEntries).LastOrDefault()?.Trim() ?? "";
        if (double.TryParse(line, NumberStyles.Float, CultureInfo.InvariantCulture, out var bare))
        {
            return bare;
        }

        try
        {
            using var document = JsonDocument.Parse(line);
            var scale = document.RootElement.TryGetProperty("unit", out var unit) && unit.GetString() == "us" ? 1000.0 : 1.0;
            foreach (var name in ValueNames)
            {
                if (document.RootElement.TryGetProperty(name, out var value))
                {
                    return value.GetDouble() * scale;
                }
            }
        }
        catch (JsonException)
        {
            // Told below with the line itself.
        }

        throw new PerfException($"{path} printed no figure: '{line}'");
    }
}

/// <summary>A measurement that could not be made, with a message for the person who asked for it.</summary>
public sealed class PerfException : Exception
{
    public PerfException()
    {
    }

    public PerfException(string message)
        : base(message)
    {
    }

    public PerfException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
