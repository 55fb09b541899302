using System.Text.Json;

namespace Wayang.Fast.Host.Oci;

/// <summary>Reads what an image says of itself: bounded, and with a typed problem for what is not as it must be.</summary>
internal static class OciJson
{
    private static readonly JsonDocumentOptions Options = new() { MaxDepth = OciBounds.MaxJsonDepth };

    public static JsonElement Parse(ReadOnlyMemory<byte> bytes, string what)
    {
        try
        {
            using var document = JsonDocument.Parse(bytes, Options);
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? document.RootElement.Clone()
                : throw new OciException(OciFault.Malformed, $"{what}: is no JSON object");
        }
        catch (JsonException error)
        {
            throw new OciException(OciFault.Malformed, $"{what}: is no JSON: {error.Message}");
        }
    }

    /// <summary>Null where it is not there.</summary>
    public static string? Text(JsonElement element, string name, string what) => !TryGet(element, name, out var value) ? null
        : value.ValueKind == JsonValueKind.String ? value.GetString()
        : throw new OciException(OciFault.Malformed, $"{what}: '{name}' is no text");

    /// <summary>Empty where it is not there.</summary>
    public static IReadOnlyList<string> Texts(JsonElement element, string name, string what)
    {
        var items = Items(element, name, what, OciBounds.MaxTexts);
        return items.All(static i => i.ValueKind == JsonValueKind.String) && items.Select(static i => i.GetString()!).ToList() is { } texts
            && !texts.Exists(static t => t.Contains('\0', StringComparison.Ordinal))
            ? texts
            : throw new OciException(OciFault.Malformed, $"{what}: '{name}' is no list of texts");
    }

    public static IReadOnlyList<JsonElement> Items(JsonElement element, string name, string what, int most)
    {
        if (!TryGet(element, name, out var value))
        {
            return [];
        }

        return value.ValueKind != JsonValueKind.Array ? throw new OciException(OciFault.Malformed, $"{what}: '{name}' is no list")
            : value.GetArrayLength() > most ? throw new OciException(OciFault.TooLarge, $"{what}: '{name}' has {value.GetArrayLength()} items; at most {most}")
            : [.. value.EnumerateArray()];
    }

    public static OciDescriptor Descriptor(JsonElement element, string what)
    {
        var digest = OciDigest.Parse(Text(element, "digest", what), what);
        return TryGet(element, "size", out var size) && size.ValueKind == JsonValueKind.Number && size.TryGetInt64(out var bytes) && bytes >= 0
            ? new OciDescriptor(Text(element, "mediaType", what) ?? string.Empty, digest, bytes)
            : throw new OciException(OciFault.Malformed, $"{what}: the size of {digest} is no number of bytes");
    }

    /// <summary>False too where it is null, as several makers write it.</summary>
    public static bool TryGet(JsonElement element, string name, out JsonElement value)
    {
        value = default;
        return element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out value) && value.ValueKind != JsonValueKind.Null;
    }
}
