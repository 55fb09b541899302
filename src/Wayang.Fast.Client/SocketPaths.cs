using System.Globalization;

namespace Wayang.Fast.Client;

/// <summary>Where a runtime listens: one place for root, one for each user.</summary>
public static class SocketPaths
{
    public const string System = "/run/wayang/wayang.sock";

    /// <summary>The longest path, in bytes, that the address of a unix socket holds.</summary>
    public const int MaxBytes = 107;

    public static bool Fits(string path) => global::System.Text.Encoding.UTF8.GetByteCount(path) <= MaxBytes;

    /// <summary>Where a runtime of this user listens.</summary>
    public static string Own
    {
        get
        {
            var user = EffectiveUser();
            if (user == 0)
            {
                return System;
            }

            var runtime = Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR");
            return string.IsNullOrEmpty(runtime)
                ? string.Create(CultureInfo.InvariantCulture, $"/tmp/wayang-{user}/wayang.sock")
                : Path.Combine(runtime, "wayang", "wayang.sock");
        }
    }

    /// <summary>This user's runtime if its socket exists, else the system's if that one does, else where this user's would be.</summary>
    public static string Find()
    {
        var own = Own;
        return File.Exists(own) || !File.Exists(System) ? own : System;
    }

    /// <summary>The effective user id, from the kernel (there is no managed call for it).</summary>
    public static uint EffectiveUser()
    {
        foreach (var line in File.ReadLines("/proc/self/status"))
        {
            if (line.StartsWith("Uid:", StringComparison.Ordinal))
            {
                return uint.Parse(line.Split('\t')[2], CultureInfo.InvariantCulture);
            }
        }

        throw new InvalidOperationException("/proc/self/status names no user.");
    }
}
