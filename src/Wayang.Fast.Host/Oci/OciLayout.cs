using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;

namespace Wayang.Fast.Host.Oci;

/// <summary>
/// An image layout on disk (oci-layout, index.json, blobs/sha256/): from a tag to the layers of the image for this machine. Every blob is compared with the size and
/// the digest that it is known by before anything of it is used.
/// </summary>
public sealed class OciLayout(string directory)
{
    private const string RefName = "org.opencontainers.image.ref.name";

    private static readonly string[] Indexes = ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
    private static readonly string[] Manifests = ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];
    private static readonly string[] Plain = ["application/vnd.oci.image.layer.v1.tar", "application/vnd.docker.image.rootfs.diff.tar"];
    private static readonly string[] Compressed = ["application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.docker.image.rootfs.diff.tar.gzip"];

    /// <summary>As images call it.</summary>
    public static string Architecture { get; } = RuntimeInformation.OSArchitecture switch
    {
        System.Runtime.InteropServices.Architecture.X64 => "amd64",
        System.Runtime.InteropServices.Architecture.Arm64 => "arm64",
        var other => other.ToString().ToLowerInvariant(),
    };

    /// <param name="tag">Null: the only image, or the one called latest.</param>
    /// <exception cref="OciException">There is none, or it is not what it says.</exception>
    public OciImage Find(string? tag)
    {
        var layout = OciJson.Parse(ReadBounded(Path.Combine(directory, "oci-layout"), "oci-layout"), "oci-layout");
        if (OciJson.Text(layout, "imageLayoutVersion", "oci-layout") != "1.0.0")
        {
            throw new OciException(OciFault.Unsupported, $"{directory}/oci-layout: only version 1.0.0 is known");
        }

        var index = OciJson.Parse(ReadBounded(Path.Combine(directory, "index.json"), "index.json"), "index.json");
        var manifest = Resolve(Tagged(index, tag), "index.json", OciBounds.MaxIndexDepth);
        return ReadManifest(manifest);
    }

    /// <summary>The blob's content, which is as long as its descriptor says and has that digest.</summary>
    public byte[] ReadBlob(OciDescriptor blob, string what)
    {
        if (blob.Size > OciBounds.MaxJsonBytes)
        {
            throw new OciException(OciFault.TooLarge, $"{what} {blob.Digest} has {blob.Size} bytes; at most {OciBounds.MaxJsonBytes}");
        }

        using var file = OpenBlob(blob, what);
        var content = new byte[blob.Size];
        file.ReadExactly(content);
        return OciDigest.Of(content) == blob.Digest ? content : throw new OciException(OciFault.WrongDigest, $"{what} {blob.Digest}: its content has another digest; copy the image again");
    }

    /// <summary>Compares all of a layer's blob with its digest; the caller reads it again.</summary>
    public FileStream OpenLayer(OciLayer layer)
    {
        var name = layer.Blob.Digest.ToString();
        var file = OpenBlob(layer.Blob, "layer");
        try
        {
            var hash = SHA256.HashData(file);
            if (OciDigest.Of(hash, hash.Length) != layer.Blob.Digest)
            {
                throw new OciException(OciFault.WrongDigest, "its content has another digest; copy the image again", name);
            }

            file.Position = 0;
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private FileStream OpenBlob(OciDescriptor blob, string what)
    {
        var path = Path.Combine(directory, "blobs", "sha256", blob.Digest.Hex);
        try
        {
            if (!new FileInfo(path).Exists || new FileInfo(path).LinkTarget is not null)
            {
                throw new OciException(OciFault.NotFound, $"{what} {blob.Digest}: there is no such file in {directory}/blobs/sha256; copy the image again, for this machine's architecture ({Architecture})");
            }

            var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16);
            if (file.Length == blob.Size)
            {
                return file;
            }

            var length = file.Length;
            file.Dispose();
            throw new OciException(OciFault.WrongDigest, $"{what} {blob.Digest}: has {length} bytes, and {blob.Size} are said; copy the image again");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new OciException(OciFault.NotFound, $"{what} {blob.Digest}: {error.Message}");
        }
    }

    private byte[] ReadBounded(string path, string what)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            if (file.Length > OciBounds.MaxJsonBytes)
            {
                throw new OciException(OciFault.TooLarge, $"{path} has {file.Length} bytes; at most {OciBounds.MaxJsonBytes}");
            }

            var content = new byte[file.Length];
            file.ReadExactly(content);
            return content;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new OciException(OciFault.NotFound, $"{directory} is no image layout: {what}: {error.Message} (make one with: skopeo copy docker://NAME oci:{directory})");
        }
    }

    private List<JsonElement> Tagged(JsonElement index, string? tag)
    {
        var all = OciJson.Items(index, "manifests", "index.json", OciBounds.MaxTexts);
        string? NameOf(JsonElement entry) => OciJson.TryGet(entry, "annotations", out var notes) ? OciJson.Text(notes, RefName, "index.json") : null;
        var tags = all.Select(NameOf).OfType<string>().Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToList();
        var wanted = tag ?? (tags.Count > 1 ? "latest" : null);
        var found = all.Where(e => wanted is null || NameOf(e) == wanted).ToList();
        return found.Count > 0
            ? found
            : throw new OciException(OciFault.NotFound, all.Count == 0 ? $"{directory} holds no image" : $"{directory} has no tag '{OciException.Shown(wanted!)}'; there are: {string.Join(", ", tags.Take(20).Select(OciException.Shown))}");
    }

    /// <summary>The manifest for this machine: of several by what their descriptors say; through indexes of indexes.</summary>
    private OciDescriptor Resolve(List<JsonElement> entries, string what, int depth)
    {
        var fitting = entries.Where(Fits).ToList();
        if (fitting.Count == 0)
        {
            var there = entries.Select(static e => OciJson.TryGet(e, "platform", out var p) ? $"{OciJson.Text(p, "os", "platform")}/{OciJson.Text(p, "architecture", "platform")}" : "?");
            throw new OciException(OciFault.NotFound, $"{what}: nothing for linux/{Architecture}; there is {OciException.Shown(string.Join(", ", there.Distinct(StringComparer.Ordinal)))}");
        }

        var chosen = OciJson.Descriptor(fitting[0], what);
        if (!Indexes.Contains(chosen.MediaType, StringComparer.Ordinal))
        {
            return Manifests.Contains(chosen.MediaType, StringComparer.Ordinal)
                ? chosen
                : throw new OciException(OciFault.Unsupported, $"{what}: {chosen.Digest} is '{OciException.Shown(chosen.MediaType)}', and no image");
        }

        return depth > 0
            ? Resolve([.. OciJson.Items(OciJson.Parse(ReadBlob(chosen, "index"), $"index {chosen.Digest}"), "manifests", $"index {chosen.Digest}", OciBounds.MaxTexts)], $"index {chosen.Digest}", depth - 1)
            : throw new OciException(OciFault.TooLarge, $"{what}: indexes lie over {OciBounds.MaxIndexDepth} deep");
    }

    private static bool Fits(JsonElement entry) => !OciJson.TryGet(entry, "platform", out var platform)
        || (OciJson.Text(platform, "os", "platform") is null or "linux" && (OciJson.Text(platform, "architecture", "platform") is not { } machine || machine == Architecture));

    private OciImage ReadManifest(OciDescriptor descriptor)
    {
        var what = $"manifest {descriptor.Digest}";
        var manifest = OciJson.Parse(ReadBlob(descriptor, "manifest"), what);
        if (!OciJson.TryGet(manifest, "config", out var named))
        {
            throw new OciException(OciFault.Malformed, $"{what}: has no config");
        }

        var blob = OciJson.Descriptor(named, what);
        var config = OciJson.Parse(ReadBlob(blob, "config"), $"config {blob.Digest}");
        if (OciJson.Text(config, "architecture", "config") is { } machine && machine != Architecture)
        {
            throw new OciException(OciFault.NotFound, $"config {blob.Digest}: the image is for {OciException.Shown(machine)}, this machine is {Architecture}");
        }

        var layers = OciJson.Items(manifest, "layers", what, OciBounds.MaxLayers);
        var digests = OciJson.TryGet(config, "rootfs", out var rootfs) ? OciJson.Texts(rootfs, "diff_ids", "config") : [];
        if (layers.Count == 0 || layers.Count != digests.Count)
        {
            throw new OciException(OciFault.Malformed, $"{what}: has {layers.Count} layers, and its config knows {digests.Count} of them");
        }

        var image = new OciImage([.. layers.Zip(digests, (layer, digest) => ReadLayer(OciJson.Descriptor(layer, what), digest))]);
        return OciJson.TryGet(config, "config", out var how) ? Described(image, how, $"config {blob.Digest}") : image;
    }

    private static OciLayer ReadLayer(OciDescriptor blob, string diffId)
    {
        var isCompressed = Compressed.Contains(blob.MediaType, StringComparer.Ordinal);
        return isCompressed || Plain.Contains(blob.MediaType, StringComparer.Ordinal)
            ? new OciLayer(blob, OciDigest.Parse(diffId, "config"), isCompressed)
            : throw new OciException(
                OciFault.Unsupported,
                $"media type '{OciException.Shown(blob.MediaType)}' is not taken; tar and tar+gzip are (copy it again with: skopeo copy --dest-compress-format gzip --dest-force-compress-format)",
                blob.Digest.ToString());
    }

    private static OciImage Described(OciImage image, JsonElement how, string what)
    {
        var environment = OciJson.Texts(how, "Env", what);
        var directory = OciJson.Text(how, "WorkingDir", what) ?? string.Empty;
        if (environment.FirstOrDefault(static v => v.IndexOf('=', StringComparison.Ordinal) <= 0) is { } wrong)
        {
            throw new OciException(OciFault.Malformed, $"{what}: '{OciException.Shown(wrong)}' in Env is not NAME=value");
        }

        return directory.Length > 0 && directory[0] != '/'
            ? throw new OciException(OciFault.Malformed, $"{what}: WorkingDir '{OciException.Shown(directory)}' is not absolute")
            : image with
            {
                Environment = environment,
                Arguments = [.. OciJson.Texts(how, "Entrypoint", what), .. OciJson.Texts(how, "Cmd", what)],
                WorkingDirectory = directory,
                User = OciJson.Text(how, "User", what) ?? string.Empty,
            };
    }
}
