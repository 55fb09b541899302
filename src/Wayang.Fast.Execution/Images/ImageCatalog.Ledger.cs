using System.Security.Cryptography;
using Wayang.Fast.Execution.Spawner;

namespace Wayang.Fast.Execution.Images;

/// <content>Images in the ledger: their content as it is given to zygotes, behind a byte that tells their kind.</content>
internal sealed partial class ImageCatalog
{
    /// <summary>What <see cref="RestoreAsync"/> takes; for an image that a task runs in.</summary>
    public byte[] ReadSource(string hash)
    {
        lock (_lock)
        {
            var content = _contents[hash];
            return [(byte)content.Kind, .. File.ReadAllBytes($"/proc/self/fd/{content.Descriptor}")];
        }
    }

    /// <summary>Has an image of an earlier start again, under its hash alone; completes when it is ready or has failed.</summary>
    /// <exception cref="InvalidDataException">It is not what the hash says.</exception>
    public async Task RestoreAsync(int tenant, string hash, byte[] source, string profile, CancellationToken cancellation)
    {
        var stored = source.AsMemory(1);
        if (Convert.ToHexStringLower(SHA256.HashData(stored.Span)) != hash)
        {
            throw new InvalidDataException("its content is not what its hash says");
        }

        Image image;
        lock (_lock)
        {
            if (!_contents.TryGetValue(hash, out var content))
            {
                if (_contents.Count >= options.MaxImages || !TryStore(stored.Span, out var descriptor, out _))
                {
                    return; // its tasks wait until somebody makes room
                }

                content = new Content((ImageKind)source[0], descriptor, stored.Length);
                _contents.Add(hash, content);
            }

            image = GetOrOpen(hash, profile, content.Kind, content.Descriptor, content.Bytes);
        }

        await image.Opened.Task.WaitAsync(cancellation).ConfigureAwait(false);
        if (image.State != ImageState.Failed)
        {
            _owners.TryAdd((tenant, hash), null);
        }
    }
}
