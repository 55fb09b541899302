using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Wayang.Fast.Perf.Report;

/// <summary>Where and of what a result is: without them a figure says nothing.</summary>
public static class Machine
{
    /// <summary>A folder name made of processor model and count; WAYANG_MACHINE overrides it.</summary>
    public static string Name()
    {
        var given = Environment.GetEnvironmentVariable("WAYANG_MACHINE");
        return Slug(string.IsNullOrWhiteSpace(given)
            ? string.Create(CultureInfo.InvariantCulture, $"{Model()} {Environment.ProcessorCount}cpu")
            : given);
    }

    /// <summary>The commit, "-dirty" when the tree differs from it.</summary>
    public static string Commit(string root)
    {
        try
        {
            var start = new ProcessStartInfo("git", ["-C", root, "describe", "--always", "--dirty", "--exclude=*"])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                UseShellExecute = false,
            };
            using var git = Process.Start(start);
            var text = git?.StandardOutput.ReadToEnd().Trim() ?? "";
            git?.WaitForExit();
            return text.Length == 0 ? "unknown" : text;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return "unknown"; // no git on this machine
        }
    }

    private static string Model()
    {
        const string Key = "model name";
        var line = File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith(Key, StringComparison.Ordinal));
        return line is null
            ? System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture.ToString()
            : line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
    }

    private static string Slug(string text)
    {
        var slug = new StringBuilder(text.Length);
        foreach (var letter in text)
        {
            if (char.IsAsciiLetterOrDigit(letter))
            {
                slug.Append(char.ToLowerInvariant(letter));
            }
            else if (slug.Length > 0 && slug[^1] != '-')
            {
                slug.Append('-');
            }
        }

        return slug.ToString().Trim('-');
    }
}
