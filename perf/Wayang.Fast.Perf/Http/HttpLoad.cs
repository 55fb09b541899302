using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf.Http;

/// <summary>Load by other people's programs, so that a client of ours is no part of what is measured. A request that fails fails the measurement.</summary>
internal static partial class HttpLoad
{
    private const int Connections = 4;
    private const int StreamsPerConnection = 16;
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);

    /// <summary>Requests a second over HTTP/2 by h2load, 4 connections with 16 streams each.</summary>
    public static double Post(string url, string token, string bodyFile, int requests)
    {
        var output = Run("h2load", "nghttp2-client", [
            "-t1", Option("-c", Connections), Option("-m", StreamsPerConnection), Option("-n", requests), "-d", bodyFile,
            "-H", "content-type: application/grpc", "-H", "te: trailers", "-H", "authorization: Bearer " + token, url]);
        return Success().Match(output) is { Success: true } done && Number(done.Groups["count"]) == requests
            ? Rate(H2loadRate().Match(output), output)
            : throw new PerfException($"h2load had failures:\n{output}");
    }

    /// <summary>Requests a second over HTTP/1.1 by wrk, 64 connections.</summary>
    public static double Get(string url, string token, int seconds)
    {
        var output = Run("wrk", "wrk", ["-t1", Option("-c", Connections * StreamsPerConnection), Option("-d", seconds) + "s", "-H", "authorization: Bearer " + token, url]);
        return output.Contains("Non-2xx", StringComparison.Ordinal) || output.Contains("Socket errors", StringComparison.Ordinal)
            ? throw new PerfException($"wrk had failures:\n{output}")
            : Rate(WrkRate().Match(output), output);
    }

    private static string Option(string name, int value) => name + value.ToString(CultureInfo.InvariantCulture);

    private static string Run(string program, string package, IReadOnlyList<string> arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, UseShellExecute = false })!;
            var output = process.StandardOutput.ReadToEndAsync();
            if (!process.WaitForExit(s_patience))
            {
                process.Kill();
                throw new PerfException($"{program} does not end");
            }

            return output.GetAwaiter().GetResult();
        }
        catch (System.ComponentModel.Win32Exception missing)
        {
            throw new PerfException($"{program} is needed (Debian's package {package}): {missing.Message}", missing);
        }
    }

    private static double Rate(Match match, string output) =>
        match.Success ? Number(match.Groups["rate"]) : throw new PerfException($"no rate in:\n{output}");

    private static double Number(Group group) => double.Parse(group.ValueSpan, CultureInfo.InvariantCulture);

    [GeneratedRegex("finished in [^,]+, (?<rate>[0-9.]+) req/s", RegexOptions.None, 1_000)]
    private static partial Regex H2loadRate();

    [GeneratedRegex("status codes: (?<count>[0-9]+) 2xx", RegexOptions.None, 1_000)]
    private static partial Regex Success();

    [GeneratedRegex("Requests/sec: +(?<rate>[0-9.]+)", RegexOptions.None, 1_000)]
    private static partial Regex WrkRate();
}
