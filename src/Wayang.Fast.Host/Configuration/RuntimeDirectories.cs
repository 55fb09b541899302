using System.Globalization;

namespace Wayang.Fast.Host.Configuration;

/// <summary>The directory of a runtime and the socket in it: the same rule for the daemon and for everyone who looks for it.</summary>
public static class RuntimeDirectories
{
    public const string SocketName = "wayang.sock";

    private static readonly Lazy<uint> Uid = new(ReadUid);

    /// <summary>The effective uid of this process.</summary>
    public static uint EffectiveUid => Uid.Value;

    /// <summary>/run/wayang as root, else $XDG_RUNTIME_DIR/wayang, else /tmp/wayang-UID.</summary>
    public static string Default => Base("wayang", static uid => string.Create(CultureInfo.InvariantCulture, $"/tmp/wayang-{uid}"));

    public static string DefaultSocket => Path.Combine(Default, SocketName);

    /// <summary>A fresh name for a runtime of one caller, in the same place, unguessable and short enough for a socket address.</summary>
    public static string NewPrivate(out string instance)
    {
        var name = "wayang-" + Convert.ToHexStringLower(System.Security.Cryptography.RandomNumberGenerator.GetBytes(8));
        instance = name;
        return Base(name, _ => Path.Combine("/tmp", name));
    }

    private static string Base(string name, Func<uint, string> fallback)
    {
        if (EffectiveUid == 0)
        {
            return Path.Combine("/run", name);
        }

        var xdg = Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR");
        return string.IsNullOrEmpty(xdg) || !Path.IsPathRooted(xdg) || !Directory.Exists(xdg)
            ? fallback(EffectiveUid)
            : Path.Combine(xdg, name);
    }

    // "Uid:  real  effective  saved  filesystem": procfs spares a native import for one number.
    private static uint ReadUid()
    {
        foreach (var line in File.ReadLines("/proc/self/status"))
        {
            if (line.StartsWith("Uid:", StringComparison.Ordinal))
            {
                var fields = line.Split('\t', StringSplitOptions.RemoveEmptyEntries);
                return uint.Parse(fields[2], CultureInfo.InvariantCulture);
            }
        }

        throw new ConfigurationException("/proc/self/status has no Uid line: is /proc mounted?");
    }
}
