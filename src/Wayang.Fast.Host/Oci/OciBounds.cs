namespace Wayang.Fast.Host.Oci;

/// <summary>How much an image may be. What is over a bound is refused, whoever made it.</summary>
public sealed record OciBounds
{
    /// <summary>Of all layers as they are unpacked, the archives' own bytes included.</summary>
    public long MaxBytes { get; init; } = 8L << 30;

    /// <summary>Entries of all layers.</summary>
    public int MaxFiles { get; init; } = 500_000;

    public const int MaxLayers = 128;
    public const int MaxJsonBytes = 4 << 20;
    public const int MaxJsonDepth = 32;
    public const int MaxIndexDepth = 4;

    /// <summary>As the kernel has it; parts of a path have at most 255.</summary>
    public const int MaxPathBytes = 4095;
    public const int MaxNameBytes = 255;

    /// <summary>Symlinks on the way to an entry.</summary>
    public const int MaxLinks = 40;

    /// <summary>Variables of an image, and words of its command.</summary>
    public const int MaxTexts = 1024;
}
