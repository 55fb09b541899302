using System.Globalization;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Execution.Isolation;

namespace Wayang.Fast.Host.Configuration;

/// <content>Roots of images of kind command: a directory of the host, or an image layout that is unpacked to be one.</content>
internal sealed partial class ImageSection
{
    /// <summary>As many as the spawner lends (native/sandbox/profile.h).</summary>
    public const int MaxRoots = 16;

    private const int MaxRootPath = 255;
    private const string Overlay = "overlay";

    private static readonly string[] Writables = [Overlay, "tmp"];

    private static readonly string[] Isolations = [.. WireNames.All<IsolationRuntime>()];

    private Rooted Root(string label, string? kind, Dictionary<string, ConfigurationNode> values, ConfigurationNode image, string? name)
    {
        var rootfs = Text(label, "rootfs", values, image, required: false);
        var layout = Text(label, "oci", values, image, required: false);
        var tag = Text(label, "tag", values, image, required: false);
        var writable = Choice(label, "writable", values, image, Writables, required: false);
        var isolation = Choice(label, "isolation", values, image, Isolations, required: false);
        if (tag is not null && layout is null)
        {
            Tell(values["tag"], label + ".tag", "belongs to an image with oci");
        }

        if (rootfs is null && layout is null)
        {
            if (values.TryGetValue("writable", out var useless))
            {
                Tell(useless, label + ".writable", "belongs to an image with rootfs or oci");
            }

            if (values.TryGetValue("isolation", out useless))
            {
                Tell(useless, label + ".isolation", "belongs to an image with rootfs or oci");
            }

            return default;
        }

        var key = rootfs is not null ? "rootfs" : "oci";
        var at = values[key];
        if (rootfs is not null && layout is not null)
        {
            Tell(values["oci"], label + ".oci", "stands beside rootfs; an image has one root");
        }

        if (kind is not null && kind != Command)
        {
            Tell(at, $"{label}.{key}", $"is for kind command, not for {kind}");
        }

        var path = Absolute((rootfs ?? layout)!);
        if (path.Length > MaxRootPath)
        {
            Tell(at, $"{label}.{key}", string.Create(CultureInfo.InvariantCulture, $"has {path.Length} characters as {ValueReader.Shortened(path)}; at most {MaxRootPath}"));
        }

        var most = MaxName - ConfiguredImage.ProfilePrefix.Length;
        if (name is not null && (name.Length > most || name.StartsWith('.')))
        {
            Tell(values["name"], label + ".name", string.Create(CultureInfo.InvariantCulture, $"of an image with a root has at most {most} characters and no leading dot"));
        }

        return new Rooted(rootfs is null ? null : path, rootfs is null ? path : null, tag, writable is null or Overlay, isolation is null || !WireNames.TryParse<IsolationRuntime>(isolation, out var runtime) ? IsolationRuntime.Native : runtime);
    }

    /// <param name="Rootfs">A directory, or</param>
    /// <param name="Layout">an image layout.</param>
    private readonly record struct Rooted(string? Rootfs, string? Layout, string? Tag, bool Overlay, IsolationRuntime Isolation);

    private void CheckRoots(ConfigurationNode node, List<ConfiguredImage> images)
    {
        if (images.Count(static i => i.HasRoot) is > MaxRoots and var count)
        {
            Tell(node, Name, string.Create(CultureInfo.InvariantCulture, $"{count} images have a root of their own; at most {MaxRoots}"));
        }
    }
}
