using System.Security.Cryptography;

using Wayang.Fast.Client;

namespace Wayang.Fast.Host.Configuration;

/// <summary>The directories that runtimes live in.</summary>
public static class RuntimeDirectories
{
    public const string SocketName = "wayang.sock";

    private const int RandomBytes = 8;

    /// <summary>Where this user's runtime lives; the client finds its socket by the same rule.</summary>
    public static string Default => Path.GetDirectoryName(SocketPaths.Own)!;

    /// <summary>The effective uid of this process.</summary>
    public static uint EffectiveUid => SocketPaths.EffectiveUser();

    /// <summary>A fresh name for a runtime of one caller, in the same place, unguessable and short enough for a socket address.</summary>
    public static string NewPrivate(out string instance)
    {
        instance = "wayang-" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(RandomBytes));
        var parent = SocketPaths.EffectiveUser() == 0 ? "/run" : Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR");
        var there = string.IsNullOrEmpty(parent) || !Directory.Exists(parent) ? "/tmp" : parent;
        return Path.Combine(SocketPaths.Fits(Path.Combine(there, instance, SocketName)) ? there : "/tmp", instance);
    }
}
