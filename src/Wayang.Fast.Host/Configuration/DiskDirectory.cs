namespace Wayang.Fast.Host.Configuration;

/// <summary>Where the spawner makes writable space of tasks on the disk. It goes to it past the daemon.</summary>
internal static class DiskDirectory
{
    private const string Parent = "/var/lib/wayang";

    /// <summary>Null: nowhere. The directory itself is made by the spawner, which judges it, too.</summary>
    public static string? Of(FileSettings settings)
    {
        if (settings.DiskDirectory.Length > 0)
        {
            return settings.DiskDirectory;
        }

        if (RuntimeDirectories.EffectiveUid != 0)
        {
            return null;
        }

        try
        {
            Directory.CreateDirectory(Parent);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null; // a host whose /var cannot be written: what tasks write lies in memory
        }

        return Path.Combine(Parent, "space");
    }
}
