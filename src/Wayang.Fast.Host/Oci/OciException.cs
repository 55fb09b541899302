namespace Wayang.Fast.Host.Oci;

/// <summary>What is wrong with an image on disk.</summary>
public enum OciFault
{
    /// <summary>No layout, no such tag, no part for this machine.</summary>
    NotFound,

    /// <summary>JSON that does not say what it must.</summary>
    Malformed,

    /// <summary>A blob is not what its digest or size says.</summary>
    WrongDigest,

    /// <summary>A media type or a kind of entry that is not taken.</summary>
    Unsupported,

    /// <summary>An entry that would reach outside of the tree.</summary>
    Escape,

    /// <summary>Over a bound.</summary>
    TooLarge,

    /// <summary>The store cannot be written, or is not safe.</summary>
    Store,
}

/// <summary>An image that cannot be used: what, where in it, and what to do.</summary>
public sealed class OciException : Exception
{
    public OciException(OciFault fault, string message, string? layer = null, string? entry = null)
        : base((layer, entry) switch
        {
            (null, _) => message,
            (_, null) => $"layer {layer}: {message}",
            _ => $"layer {layer}, entry '{Shown(entry)}': {message}",
        })
    {
        Fault = fault;
        Layer = layer;
        Entry = entry;
    }

    public OciException()
    {
    }

    public OciException(string message)
        : base(message)
    {
    }

    public OciException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    public OciFault Fault { get; }

    /// <summary>The layer's digest.</summary>
    public string? Layer { get; }

    public string? Entry { get; }

    /// <summary>Names come from whoever made the image: no control characters, not too long.</summary>
    public static string Shown(string text)
    {
        const int most = 200;
        var plain = new string([.. text.Take(most).Select(static c => char.IsControl(c) ? '?' : c)]);
        return text.Length > most ? plain + "..." : plain;
    }
}
