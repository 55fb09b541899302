using System.Text;

using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Host.Configuration;

/// <summary>The YAML file of a node, read as text; what it says is read by <see cref="NodeConfiguration"/>.</summary>
public static class ConfigurationFile
{
    /// <summary>A configuration is a page of text; more is a wrong file.</summary>
    public const int MaxBytes = 64 << 10;

    private const int FewEnough = 1_000;

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <exception cref="ConfigurationException">The file cannot be read or says something it may not say.</exception>
    public static FileSettings Read(string path) => Parse(path, ReadText(path));

    /// <summary>Reads <paramref name="text"/>; <paramref name="path"/> is named in errors.</summary>
    /// <exception cref="ConfigurationException">It says something it may not say.</exception>
    public static FileSettings Parse(string path, string text) =>
        NodeConfiguration.Of(new ConfigurationInput { Path = path, Text = text }).OrThrow().Settings;

    /// <exception cref="ConfigurationException">The file cannot be read, is too long, or is no UTF-8.</exception>
    public static string ReadText(string path)
    {
        try
        {
            return Decode(path, ReadBounded(path));
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw Refused(path, $"no such file{NearestFile(path)}");
        }
        catch (UnauthorizedAccessException)
        {
            throw Refused(path, Directory.Exists(path) ? "is a directory; name the file in it" : "you may not read it; run this as its owner, or: chmod +r");
        }
        catch (IOException error)
        {
            throw Refused(path, $"cannot be read: {error.Message}");
        }
    }

    private static byte[] ReadBounded(string path)
    {
        // Not by its length: what has none (a pipe, a device) is read no further than this either.
        var buffer = new byte[MaxBytes + 1];
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        var length = file.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
        return length <= MaxBytes
            ? buffer[..length]
            : throw Refused(path, $"longer than {MaxBytes} bytes (64 KiB), the most of a configuration; is it the right file?");
    }

    private static string Decode(string path, byte[] bytes)
    {
        if (bytes.Length >= 2 && bytes is [0xFF, 0xFE, ..] or [0xFE, 0xFF, ..])
        {
            throw Refused(path, "is UTF-16; save it as UTF-8");
        }

        var content = bytes.AsSpan();
        content = content.StartsWith("\uFEFF"u8) ? content[3..] : content;
        try
        {
            return Strict.GetString(content);
        }
        catch (DecoderFallbackException error)
        {
            var before = content[..Math.Max(0, error.Index)];
            var line = before.Count((byte)'\n') + 1;
            var column = before.Length - (before.LastIndexOf((byte)'\n') + 1) + 1;
            throw new ConfigurationException([new ConfigurationProblem(
                new ConfigurationPlace(path, line, column), "", $"a byte that is no UTF-8 (0x{content[before.Length]:X2}); save the file as UTF-8")]);
        }
    }

    private static ConfigurationException Refused(string path, string reason) =>
        new([new ConfigurationProblem(new ConfigurationPlace(path, 0, 0), "", reason)]);

    private static string NearestFile(string path)
    {
        var directory = Path.GetDirectoryName(Path.GetFullPath(path));
        if (directory is null || !Directory.Exists(directory))
        {
            return $": the directory {directory} does not exist; give an existing file with --config";
        }

        try
        {
            var nearest = NearestName.Of(Path.GetFileName(path), Directory.EnumerateFiles(directory).Take(FewEnough).Select(static f => Path.GetFileName(f)));
            return nearest is null ? "; give an existing one with --config" : $"; did you mean {Path.Combine(Path.GetDirectoryName(path) ?? "", nearest)}?";
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return "; give an existing one with --config";
        }
    }
}
