using Wayang.Fast.Execution.Isolation;

namespace Wayang.Fast.Host.Configuration;

/// <summary>One entry of <c>images:</c>.</summary>
/// <param name="Name">What tasks call it.</param>
/// <param name="Kind">c, python or command.</param>
/// <param name="File">Absolute; null for commands.</param>
/// <param name="Profile">Of tasks that name none; null: the default of the kind.</param>
public sealed record ConfiguredImage(string Name, string Kind, string? File, string? Profile)
{
    /// <summary>Python modules that are imported before the first worker is forked.</summary>
    public IReadOnlyList<string> Preload { get; init; } = [];

    /// <summary>Absolute; commands of this image have that directory as their root. Null: what their profile has.</summary>
    public string? Rootfs { get; init; }

    /// <summary>An image layout on disk, absolute, that is unpacked to be the root of its commands.</summary>
    public string? Layout { get; init; }

    /// <summary>Of the layout; null: its only image, or latest.</summary>
    public string? Tag { get; init; }

    /// <summary>Its commands may write all of their root: what they write goes with them.</summary>
    public bool Overlay { get; init; }

    /// <summary>What runs its commands in that root.</summary>
    public IsolationRuntime Isolation { get; init; }

    /// <summary>The processor time of each of its calls is measured.</summary>
    public bool MeasuresCpu { get; init; }

    /// <summary>It has a root, and so a profile, of its own.</summary>
    public bool HasRoot => Rootfs is not null || Layout is not null;

    /// <summary>How an operator knows that root; null without one.</summary>
    public string? RootWords => Rootfs ?? (Layout is null ? null : Tag is null ? $"the image of {Layout}" : $"{Layout}:{Tag}");

    /// <summary>
    /// That profile: the one that the entry names, made tighter by the root. Its name has a prefix, so that it is nobody else's; the root goes by the image's
    /// name. Null for others.
    /// </summary>
    public DerivedProfile? RootProfile => HasRoot ? new DerivedProfile(ProfilePrefix + Name, Profile ?? "standard") { Root = Name, Overlay = Overlay, Runtime = Isolation } : null;

    public const string ProfilePrefix = "image.";

    /// <summary>Where its file is named.</summary>
    public ConfigurationPlace Place { get; init; }
}

/// <summary>An entry with what its file held when it was read.</summary>
public sealed record LoadedImage(ConfiguredImage Image, ReadOnlyMemory<byte> Content)
{
    /// <summary>The directory that is its root; known to whoever starts the runtime, and nobody else.</summary>
    public string? Root { get; init; }
}
