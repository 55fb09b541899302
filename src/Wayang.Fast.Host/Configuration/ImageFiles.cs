using System.Globalization;

using Wayang.Fast.Host.Oci;

namespace Wayang.Fast.Host.Configuration;

/// <summary>Reads the files of <c>images:</c> as whoever started the runtime: its daemon may not be able to.</summary>
internal static class ImageFiles
{
    /// <summary>One file, and all together.</summary>
    public const int MaxBytes = 64 << 20;
    public const long MaxTotalBytes = 256L << 20;

    /// <summary>What could be read; what could not is told as a problem at its place.</summary>
    /// <param name="store">Where layouts are unpacked; null: they are looked at, and stay as they are.</param>
    public static IReadOnlyList<LoadedImage> Read(IReadOnlyList<ConfiguredImage> images, List<ConfigurationProblem> problems, OciStore? store = null)
    {
        var loaded = new List<LoadedImage>();
        long total = 0;
        foreach (var image in images)
        {
            if (image.Rootfs is { } root)
            {
                if (!Directory.Exists(root))
                {
                    problems.Add(new ConfigurationProblem(image.Place, $"{ImageSection.Name}.{image.Name}.rootfs", $"{root}: no such directory (a relative one is looked for beside the configuration file)"));
                }

                loaded.Add(new LoadedImage(image, default) { Root = root });
                continue;
            }

            if (image.Layout is { } layout)
            {
                loaded.Add(ReadLayout(image, layout, store, problems));
                continue;
            }

            if (image.File is null)
            {
                loaded.Add(new LoadedImage(image, default)); // commands: all is said in the configuration
                continue;
            }

            try
            {
                var content = ReadBounded(image.File);
                total += content.Length;
                if (total > MaxTotalBytes)
                {
                    problems.Add(new ConfigurationProblem(image.Place, ImageSection.Name, string.Create(
                        CultureInfo.InvariantCulture, $"with {image.File} the images have {total} bytes; at most {MaxTotalBytes} together")));
                    return loaded;
                }

                loaded.Add(new LoadedImage(image, content));
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                problems.Add(new ConfigurationProblem(image.Place, $"{ImageSection.Name}.{image.Name}.file", $"{image.File}: {Reason(image.File, error)}"));
            }
        }

        return loaded;
    }

    private static LoadedImage ReadLayout(ConfiguredImage image, string directory, OciStore? store, List<ConfigurationProblem> problems)
    {
        try
        {
            var layout = new OciLayout(directory);
            var found = layout.Find(image.Tag);
            return new LoadedImage(image, OciContent.Write(found)) { Root = store?.Unpack(layout, found) };
        }
        catch (OciException error)
        {
            problems.Add(new ConfigurationProblem(image.Place, $"{ImageSection.Name}.{image.Name}.oci", error.Message));
            return new LoadedImage(image, default);
        }
    }

    private static byte[] ReadBounded(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        if (!file.CanSeek)
        {
            throw new IOException("is no ordinary file");
        }

        if (file.Length is 0 or > MaxBytes)
        {
            throw new IOException(file.Length == 0 ? "is empty" : string.Create(CultureInfo.InvariantCulture, $"has {file.Length} bytes; an image has at most {MaxBytes}"));
        }

        var content = new byte[file.Length];
        file.ReadExactly(content);
        return content;
    }

    private static string Reason(string path, Exception error) => error switch
    {
        FileNotFoundException or DirectoryNotFoundException => "no such file (a relative one is looked for beside the configuration file)",
        UnauthorizedAccessException => Directory.Exists(path) ? "is a directory; name the file" : "you may not read it",
        _ => error.Message,
    };
}
