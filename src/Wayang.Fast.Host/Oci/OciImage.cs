namespace Wayang.Fast.Host.Oci;

/// <summary>A layer: its blob, and the digest of what the blob holds once it is no longer compressed.</summary>
public sealed record OciLayer(OciDescriptor Blob, OciDigest DiffId, bool IsCompressed);

/// <summary>What a descriptor says of a blob; nothing of it is believed before the blob was read.</summary>
public sealed record OciDescriptor(string MediaType, OciDigest Digest, long Size);

/// <summary>An image that was found in a layout: its layers in order, and what it says of how it is run.</summary>
public sealed record OciImage(IReadOnlyList<OciLayer> Layers)
{
    public IReadOnlyList<string> Environment { get; init; } = [];

    /// <summary>Entrypoint and command, one behind the other.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>Empty: none.</summary>
    public string WorkingDirectory { get; init; } = string.Empty;

    /// <summary>Empty: none.</summary>
    public string User { get; init; } = string.Empty;

    /// <summary>
    /// What names the tree: the layers' own digests one over the other (the chain of the image specification), so that images with the same layers share it.
    /// </summary>
    public OciDigest Chain => Layers.Skip(1).Aggregate(
        Layers[0].DiffId, static (chain, layer) => OciDigest.Of(System.Text.Encoding.ASCII.GetBytes($"{chain} {layer.DiffId}")));

    /// <summary>Null, or why the user that the image asks for is not whom its commands run as.</summary>
    public string? UserNote => User is "" or "1000" or "1000:1000"
        ? null
        : $"the image asks for user '{OciException.Shown(User)}'; tasks run as uid 1000, to whom what root owns in the image belongs";
}
