#pragma warning disable CA1416 // The runtime is Linux only: files have modes here.
namespace Wayang.Fast.Host.Oci;

/// <summary>
/// Where unpacked images lie: one directory for each chain of layers, named by its digest, made beside its place and renamed there when it is whole. What is there is
/// never changed, and shared by all images with those layers.
/// </summary>
public sealed class OciStore(string directory, OciBounds bounds)
{
    private const string TreePrefix = "sha256-";

    /// <summary>Directories of the host that a sandbox puts something over.</summary>
    private static readonly string[] MountPoints = ["proc", "dev", "tmp"];

    /// <summary>As root below /var/lib, else below the user's own data.</summary>
    public static string DefaultDirectory(uint uid) => uid == 0 ? "/var/lib/wayang/roots"
        : Environment.GetEnvironmentVariable("XDG_DATA_HOME") is { Length: > 0 } data && data[0] == '/' ? Path.Combine(data, "wayang", "roots")
        : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".local", "share", "wayang", "roots");

    /// <summary>Where the image's tree is, or will be.</summary>
    public string PlaceOf(OciImage image)
    {
        ArgumentNullException.ThrowIfNull(image);
        return Path.Combine(directory, TreePrefix + image.Chain.Hex);
    }

    /// <summary>Unpacks the image unless it is there already.</summary>
    /// <returns>The directory of its tree.</returns>
    /// <exception cref="OciException">The image is refused, or the store cannot be written; nothing is left of it.</exception>
    public string Unpack(OciLayout layout, OciImage image)
    {
        ArgumentNullException.ThrowIfNull(layout);
        ArgumentNullException.ThrowIfNull(image);
        var place = PlaceOf(image);
        if (Directory.Exists(place))
        {
            return place;
        }

        try
        {
            Directory.CreateDirectory(directory, LayerTree.DirectoryMode);
            OciDraft.Prune(directory);
            using var draft = OciDraft.Make(directory);
            Fill(draft.Path, layout, image);
            File.SetUnixFileMode(draft.Path, LayerTree.DirectoryMode);
            Move(draft.Path, place);
            return place;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new OciException(OciFault.Store, $"{directory}: {error.Message} (is there space? may you write it? name another with oci.store)");
        }
    }

    private void Fill(string draft, OciLayout layout, OciImage image)
    {
        var unpacker = new LayerUnpacker(draft, bounds);
        foreach (var layer in image.Layers)
        {
            using var blob = layout.OpenLayer(layer);
            unpacker.Apply(blob, layer);
        }

        foreach (var name in MountPoints)
        {
            var path = Path.Combine(draft, name);
            if (LayerTree.KindOf(path) is not (EntryKind.None or EntryKind.Directory))
            {
                throw new OciException(OciFault.Unsupported, $"the image's /{name} is no directory, and something must be mounted there");
            }

            Directory.CreateDirectory(path, LayerTree.DirectoryMode);
        }
    }

    /// <summary>Somebody may have been faster: then theirs is as good.</summary>
    private static void Move(string draft, string place)
    {
        try
        {
            Directory.Move(draft, place);
        }
        catch (IOException) when (Directory.Exists(place))
        {
        }
    }
}
