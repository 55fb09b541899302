using System.Formats.Tar;
using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Wayang.Fast.Host.Tests.Oci;

/// <summary>Makes an image layout on disk, layer by layer; a test then breaks what it wants to see refused.</summary>
internal sealed class LayoutBuilder(string directory)
{
    public const string Gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
    public const string Plain = "application/vnd.oci.image.layer.v1.tar";

    private readonly List<(string MediaType, string Digest, long Size, string DiffId)> _layers = [];
    private readonly List<object> _manifests = [];

    public string Directory { get; } = directory;

    /// <summary>Of the last layer.</summary>
    public string LayerDigest => _layers[^1].Digest;

    public string BlobPath(string digest) => Path.Combine(Directory, "blobs", "sha256", digest["sha256:".Length..]);

    public LayoutBuilder Layer(Action<TarWriter> fill, string mediaType = Gzip)
    {
        using var archive = new MemoryStream();
        using (var writer = new TarWriter(archive, TarEntryFormat.Pax, leaveOpen: true))
        {
            fill(writer);
        }

        return RawLayer(archive.ToArray(), mediaType);
    }

    public LayoutBuilder RawLayer(byte[] archive, string mediaType = Gzip, string? diffId = null)
    {
        var stored = archive;
        if (mediaType.EndsWith("gzip", StringComparison.Ordinal))
        {
            using var packed = new MemoryStream();
            using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
            {
                gzip.Write(archive);
            }

            stored = packed.ToArray();
        }

        _layers.Add((mediaType, Blob(stored), stored.Length, diffId ?? DigestOf(archive)));
        return this;
    }

    /// <summary>The image of the layers so far, under a tag; the next one may have the same layers and others.</summary>
    public LayoutBuilder Image(string? tag = null, object? config = null, string? architecture = null, bool inIndex = false)
    {
        architecture ??= RuntimeInformation.OSArchitecture == Architecture.Arm64 ? "arm64" : "amd64";
        var described = Json(new { architecture, os = "linux", config, rootfs = new { type = "layers", diff_ids = _layers.Select(static l => l.DiffId) } });
        var manifest = Json(new
        {
            schemaVersion = 2,
            mediaType = "application/vnd.oci.image.manifest.v1+json",
            config = new { mediaType = "application/vnd.oci.image.config.v1+json", digest = Blob(described), size = described.Length },
            layers = _layers.Select(static l => new { mediaType = l.MediaType, digest = l.Digest, size = l.Size }),
        });
        var (content, mediaType) = (manifest, "application/vnd.oci.image.manifest.v1+json");
        var platform = new { os = "linux", architecture };
        if (inIndex)
        {
            var other = new { mediaType, digest = DigestOf([]), size = 0, platform = new { os = "linux", architecture = "s390x" } };
            content = Json(new { schemaVersion = 2, manifests = new object[] { other, new { mediaType, digest = Blob(manifest), size = manifest.Length, platform } } });
            mediaType = "application/vnd.oci.image.index.v1+json";
        }

        var annotations = tag is null ? new Dictionary<string, string>(StringComparer.Ordinal) : new(StringComparer.Ordinal) { ["org.opencontainers.image.ref.name"] = tag };
        _manifests.Add(inIndex ? new { mediaType, digest = Blob(content), size = content.Length, annotations } : new { mediaType, digest = Blob(content), size = content.Length, annotations, platform });
        File.WriteAllText(Path.Combine(Directory, "oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}");
        File.WriteAllBytes(Path.Combine(Directory, "index.json"), Json(new { schemaVersion = 2, manifests = _manifests }));
        return this;
    }

    public LayoutBuilder NextImage()
    {
        _layers.Clear();
        return this;
    }

    public static TarEntry Text(string name, string text, UnixFileMode mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead) => Bytes(name, Encoding.UTF8.GetBytes(text), mode);

    public static TarEntry Bytes(string name, byte[] content, UnixFileMode mode) =>
        new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(content), Mode = mode };

    public static TarEntry Folder(string name, UnixFileMode mode = (UnixFileMode)0b111_101_101) => new PaxTarEntry(TarEntryType.Directory, name) { Mode = mode };

    public static TarEntry Link(string name, string target, TarEntryType type = TarEntryType.SymbolicLink) => new PaxTarEntry(type, name) { LinkName = target };

    private static byte[] Json(object value) => JsonSerializer.SerializeToUtf8Bytes(value);

    private static string DigestOf(byte[] content) => "sha256:" + Convert.ToHexStringLower(SHA256.HashData(content));

    private string Blob(byte[] content)
    {
        var digest = DigestOf(content);
        System.IO.Directory.CreateDirectory(Path.Combine(Directory, "blobs", "sha256"));
        File.WriteAllBytes(BlobPath(digest), content);
        return digest;
    }
}
