using System.Globalization;

namespace Wayang.Fast.Host.Configuration;

/// <summary>
/// The users that this host's own file names. Those of a directory service do not stand there, and are configured by their uid: what a name means
/// must not depend on a network at the moment of a reload.
/// </summary>
internal static class SystemUsers
{
    public const string File = "/etc/passwd";

    public static IReadOnlyDictionary<string, uint> Read()
    {
        var users = new Dictionary<string, uint>(StringComparer.Ordinal);
        try
        {
            foreach (var line in System.IO.File.ReadLines(File))
            {
                var fields = line.Split(':');
                if (fields.Length >= 3 && fields[0].Length > 0 && uint.TryParse(fields[2], NumberStyles.None, CultureInfo.InvariantCulture, out var uid))
                {
                    users.TryAdd(fields[0], uid); // the first of a name is what the system takes
                }
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // Then no name means anything, and each is told.
        }

        return users;
    }
}
