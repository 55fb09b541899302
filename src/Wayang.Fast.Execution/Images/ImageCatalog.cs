using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Spawner;
using Wayang.Fast.Execution.Supervision;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Images;

/// <summary>
/// The images of this node by content hash, and the names that tenants gave them. An image is opened once per profile: a
/// zygote stands in one profile's root. Thread-safe; cold.
/// </summary>
internal sealed partial class ImageCatalog(Supervisor supervisor, RuntimeOptions options) : IDisposable
{
    /// <summary>Images of commands have this name; it is no hash.</summary>
    public const string CommandHash = "command";

    /// <summary>Kind of an upload that names commands under a profile.</summary>
    public const string CommandKind = "command";

    private const string PluginKind = "c";
    private const string PythonKind = "python";

    // The shipped default is always among them; what was named before the spawner answered may be unknown to it.
    private const int MaxCommandImages = 2 * Spawner.ProtocolLayout.MaxProfiles;

    private static readonly TimeSpan CommandRetry = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private readonly Dictionary<(string Hash, string Profile), Image> _images = [];
    private readonly Dictionary<string, Content> _contents = [];
    private readonly ConcurrentDictionary<(int Tenant, string Name), string> _names = new();
    private readonly ConcurrentDictionary<(int Tenant, string Hash), string?> _owners = new();
    private readonly ConcurrentDictionary<(int Tenant, string Name), string> _profiles = new();

    private readonly Dictionary<string, CommandDefaults> _defaults = new(StringComparer.Ordinal); // by profile: an image with some has one of its own

    /// <summary>Counts names that were given to other contents (or another profile): targets that were resolved by a name before are stale.</summary>
    public NameBindings Bindings { get; } = new();

    /// <summary>Names of commands under a profile.</summary>
    public CommandNames Commands { get; } = new();

    /// <summary>The profile that an image was put with under this name; null: the default of its kind.</summary>
    public string? ProfileOf(int tenant, ReadOnlySpan<byte> name) =>
        _profiles.IsEmpty ? null : _profiles.GetValueOrDefault((tenant, Encoding.UTF8.GetString(name)));

    /// <summary>The image that executes commands under a profile; made at the first use.</summary>
    public Image Command(string profile)
    {
        lock (_lock)
        {
            // Nobody can put it again: one that failed is tried again, at most once a second.
            if (_images.TryGetValue((CommandHash, profile), out var known) && known.State == ImageState.Failed
                && Stopwatch.GetElapsedTime(known.FailedAt) > CommandRetry)
            {
                _images.Remove((CommandHash, profile));
            }

            var image = GetOrOpen(CommandHash, profile, ImageKind.Command, -1, 0);
            image.Defaults = _defaults.GetValueOrDefault(profile);
            return image;
        }
    }

    /// <summary>
    /// False only before a spawner has told the policy's profiles, when more names were used than a policy can hold: each
    /// costs an image.
    /// </summary>
    public bool HasPlaceFor(string profile)
    {
        lock (_lock)
        {
            return _images.ContainsKey((CommandHash, profile)) || CountCommandImages() < MaxCommandImages;
        }
    }

    private int CountCommandImages()
    {
        var count = 0;
        foreach (var (key, _) in _images)
        {
            count += key.Hash == CommandHash ? 1 : 0;
        }

        return count;
    }

    /// <summary>Finds an image that a tenant has put, by name or hash, opened under a profile. Null when there is none.</summary>
    public Image? Find(int tenant, ReadOnlySpan<byte> nameOrHash, string profile)
    {
        var text = Encoding.UTF8.GetString(nameOrHash);
        var hash = _names.GetValueOrDefault((tenant, text)) ?? text;
        lock (_lock)
        {
            return _owners.ContainsKey((tenant, hash)) && _contents.TryGetValue(hash, out var content)
                ? GetOrOpen(hash, profile, content.Kind, content.Descriptor, content.Bytes)
                : null;
        }
    }

    /// <summary>Stores and loads an image; completes when it is ready or has failed.</summary>
    public async Task<(ImageDescription? Image, OperationError? Error)> PutAsync(ImageUpload upload, string profile, CancellationToken cancellation)
    {
        if (Refuse(upload) is { } refusal)
        {
            return (null, refusal);
        }

        var isPython = upload.Kind == PythonKind;
        ReadOnlyMemory<byte> stored = isPython ? PythonSource.Pack(upload) : upload.Data;
        var hash = Convert.ToHexStringLower(SHA256.HashData(stored.Span));
        Image image;
        lock (_lock)
        {
            if (!_contents.TryGetValue(hash, out var content))
            {
                if (_contents.Count >= options.MaxImages)
                {
                    return (null, new OperationError(ErrorCode.ResourceExhausted, $"the node holds {_contents.Count} images already; the bound is max_images"));
                }

                if (!TryStore(stored.Span, out var descriptor, out var why))
                {
                    return (null, new OperationError(ErrorCode.ResourceExhausted, $"the content cannot be stored: {why}", null, 1000));
                }

                content = new Content(isPython ? ImageKind.Python : ImageKind.CPlugin, descriptor, upload.Data.Length);
                _contents.Add(hash, content);
            }

            if (_images.TryGetValue((hash, profile), out var known) && known.State == ImageState.Failed)
            {
                _images.Remove((hash, profile));
            }

            image = GetOrOpen(hash, profile, content.Kind, content.Descriptor, content.Bytes);
            image.MeasuresCpu = upload.MeasuresCpu ?? image.MeasuresCpu;
        }

        await image.Opened.Task.WaitAsync(cancellation).ConfigureAwait(false);
        if (image.State == ImageState.Failed)
        {
            Forget(image);
            return (null, new OperationError(ErrorCode.ImageFailed, image.Failure ?? "the image could not be loaded", "data"));
        }

        _owners[(upload.Tenant, hash)] = upload.Name;
        if (upload.Name is not null)
        {
            Bind((upload.Tenant, upload.Name), hash, upload.Profile);
        }

        return (Describe(image, upload.Name), null);
    }

    /// <summary>Whether a tenant has put an image of this name or hash.</summary>
    public bool Has(int tenant, ReadOnlySpan<byte> nameOrHash)
    {
        var text = Encoding.UTF8.GetString(nameOrHash);
        return _owners.ContainsKey((tenant, _names.GetValueOrDefault((tenant, text)) ?? text));
    }

    /// <summary>Names commands under a profile; completes when they can be run there, or cannot.</summary>
    public async Task<(ImageDescription? Image, OperationError? Error)> PutCommandAsync(ImageUpload upload, string profile, CancellationToken cancellation)
    {
        if (upload.Name is null || !IsName(upload.Name) || !upload.Data.IsEmpty)
        {
            return (null, new OperationError(
                ErrorCode.InvalidArgument, $"an image of kind {CommandKind} has no content and is named by the node's configuration (images:); kinds that are put are '{PluginKind}' and '{PythonKind}'", "kind"));
        }

        if (upload.Defaults is { } defaults)
        {
            lock (_lock)
            {
                _defaults[profile] = defaults;
            }
        }

        var image = Command(profile);
        await image.Opened.Task.WaitAsync(cancellation).ConfigureAwait(false);
        if (image.State == ImageState.Failed)
        {
            return (null, new OperationError(ErrorCode.ImageFailed, image.Failure ?? "commands cannot be run there", "profile"));
        }

        Unbind((upload.Tenant, upload.Name));
        Commands.Bind(upload.Tenant, upload.Name, profile);
        return (Describe(image, upload.Name, profile), null);
    }

    public IReadOnlyList<ImageDescription> List(int tenant)
    {
        lock (_lock)
        {
            var commands = Commands.Of(tenant).Select(c => _images.TryGetValue((CommandHash, c.Profile), out var image)
                ? Describe(image, c.Name, c.Profile)
                : new ImageDescription(CommandHash, c.Name, CommandKind, 0, [], "opening") { Profile = c.Profile });
            return [.. commands, .. _images.Values
                .Where(i => i.Kind != ImageKind.Command && _owners.ContainsKey((tenant, i.Hash)))
                .Select(i => Describe(i, _owners.GetValueOrDefault((tenant, i.Hash))))];
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            foreach (var content in _contents.Values)
            {
                Descriptors.Close(content.Descriptor);
            }

            _contents.Clear();
        }
    }

    /// <summary>A name that commands have from now on: what had it stays, by its hash.</summary>
    private void Unbind((int Tenant, string Name) key)
    {
        lock (_lock)
        {
            _profiles.TryRemove(key, out _);
            if (_names.TryRemove(key, out var before))
            {
                _owners.TryUpdate((key.Tenant, before), null, key.Name);
                Bindings.Change();
            }
        }
    }

    private void Bind((int Tenant, string Name) key, string hash, string? profile)
    {
        Commands.Drop(key.Tenant, key.Name);
        lock (_lock)
        {
            var same = _names.TryGetValue(key, out var before) && before == hash && _profiles.GetValueOrDefault(key) == profile;
            _names[key] = hash;
            if (profile is null)
            {
                _profiles.TryRemove(key, out _);
            }
            else
            {
                _profiles[key] = profile;
            }

            if (before is not null && !same)
            {
                // The one that had the name stays, by its hash.
                _owners.TryUpdate((key.Tenant, before), before == hash ? key.Name : null, key.Name);
                Bindings.Change();
            }
        }
    }

    /// <summary>Content that could not be loaded takes no place from others, unless somebody has it or tries it again.</summary>
    private void Forget(Image image)
    {
        lock (_lock)
        {
            if (_images.GetValueOrDefault((image.Hash, image.Profile)) == image)
            {
                _images.Remove((image.Hash, image.Profile));
            }

            if (!_images.Keys.Any(k => k.Hash == image.Hash) && !_owners.Keys.Any(k => k.Hash == image.Hash)
                && _contents.Remove(image.Hash, out var content))
            {
                Descriptors.Close(content.Descriptor);
            }
        }
    }

    private static bool TryStore(ReadOnlySpan<byte> data, out int descriptor, out string why)
    {
        try
        {
            why = string.Empty;
            descriptor = Descriptors.CreateSealedMemory("wayang-image", data);
            return true;
        }
        catch (NativeException failure)
        {
            why = failure.Message;
            descriptor = -1;
            return false;
        }
    }

    [SuppressMessage("Performance", "CA1859", Justification = "a refusal or nothing")]
    private static OperationError? Refuse(ImageUpload upload)
    {
        if (upload.Kind is not (PluginKind or PythonKind))
        {
            return new OperationError(
                ErrorCode.InvalidArgument,
                $"kind '{upload.Kind}' is not known; there are '{PluginKind}' (a shared library with wayang_plugin_init) and '{PythonKind}' (a module's source)",
                "kind");
        }

        if (upload.Name is { } name && !IsName(name))
        {
            return new OperationError(ErrorCode.InvalidArgument, $"name '{name}' must be 1 to 63 of A-Z a-z 0-9 . _ -", "name");
        }

        return upload.Kind == PythonKind ? PythonSource.Refuse(upload) : RefusePlugin(upload);
    }

    [SuppressMessage("Performance", "CA1859", Justification = "a refusal or nothing")]
    private static OperationError? RefusePlugin(ImageUpload upload)
    {
        if (upload.Preload.Count > 0)
        {
            return new OperationError(ErrorCode.InvalidArgument, "'preload' belongs to kind python", "preload");
        }

        return upload.Data.Length < 64 || !upload.Data.Span[..4].SequenceEqual("\u007fELF"u8)
            ? new OperationError(ErrorCode.InvalidArgument, "data is no ELF shared library", "data")
            : null;
    }

    private static bool IsName(string name) =>
        name.Length is >= 1 and <= 63 && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-');

    private static ImageDescription Describe(Image image, string? name, string? profile = null) =>
        new(image.Hash, name, KindOf(image), image.Bytes, image.Functions, image.State.ToString().ToLowerInvariant()) { Profile = profile };

    private static string KindOf(Image image) => image.Kind switch
    {
        ImageKind.Python => PythonKind,
        ImageKind.Command => CommandKind,
        _ => PluginKind,
    };

    /// <param name="Descriptor">Sealed memory file, owned by the catalog.</param>
    /// <param name="Bytes">Of what was put.</param>
    private sealed record Content(ImageKind Kind, int Descriptor, long Bytes);

    private Image GetOrOpen(string hash, string profile, ImageKind kind, int descriptor, long bytes)
    {
        if (!_images.TryGetValue((hash, profile), out var image))
        {
            image = new Image(hash, profile, kind, descriptor, bytes);
            _images.Add((hash, profile), image);
            supervisor.OpenImage(image);
        }

        return image;
    }
}
