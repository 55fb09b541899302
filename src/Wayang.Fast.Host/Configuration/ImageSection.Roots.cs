using System.Globalization;

namespace Wayang.Fast.Host.Configuration;

/// <content>Roots of images of kind command: a directory of the host.</content>
internal sealed partial class ImageSection
{
    /// <summary>As many as the spawner lends (native/sandbox/profile.h).</summary>
    public const int MaxRoots = 16;

    private const int MaxRootPath = 255;
    private const string Overlay = "overlay";

    private static readonly string[] Writables = [Overlay, "tmp"];

    private (string? Rootfs, bool Overlay) Root(string label, string? kind, Dictionary<string, ConfigurationNode> values, ConfigurationNode image, string? name)
    {
        var rootfs = Text(label, "rootfs", values, image, required: false);
        var writable = Choice(label, "writable", values, image, Writables, required: false);
        if (rootfs is null)
        {
            if (values.TryGetValue("writable", out var useless))
            {
                Tell(useless, label + ".writable", "belongs to an image with rootfs");
            }

            return default;
        }

        var at = values["rootfs"];
        if (kind is not null && kind != Command)
        {
            Tell(at, label + ".rootfs", $"is for kind command, not for {kind}");
        }

        var path = Absolute(rootfs);
        if (path.Length > MaxRootPath)
        {
            Tell(at, label + ".rootfs", string.Create(CultureInfo.InvariantCulture, $"has {path.Length} characters as {ValueReader.Shortened(path)}; at most {MaxRootPath}"));
        }

        var most = MaxName - ConfiguredImage.ProfilePrefix.Length;
        if (name is not null && (name.Length > most || name.StartsWith('.')))
        {
            Tell(values["name"], label + ".name", string.Create(CultureInfo.InvariantCulture, $"of an image with a root has at most {most} characters and no leading dot"));
        }

        return (path, writable is null or Overlay);
    }

    private void CheckRoots(ConfigurationNode node, List<ConfiguredImage> images)
    {
        if (images.Count(static i => i.HasRoot) is > MaxRoots and var count)
        {
            Tell(node, Name, string.Create(CultureInfo.InvariantCulture, $"{count} images have a root of their own; at most {MaxRoots}"));
        }
    }
}
