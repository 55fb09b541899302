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

    /// <summary>Where its file is named.</summary>
    public ConfigurationPlace Place { get; init; }
}

/// <summary>An entry with what its file held when it was read.</summary>
public sealed record LoadedImage(ConfiguredImage Image, ReadOnlyMemory<byte> Content);
