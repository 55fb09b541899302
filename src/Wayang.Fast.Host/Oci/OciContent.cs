using System.Text.Json;

using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Host.Oci;

/// <summary>
/// What the daemon is told of an image that was unpacked: how its commands are run, and which tree it is, but not where that lies.
/// </summary>
internal static class OciContent
{
    public static ReadOnlyMemory<byte> Write(OciImage image)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream))
        {
            writer.WriteStartObject();
            writer.WriteString("tree", image.Chain.ToString());
            writer.WriteStartArray("env");
            foreach (var variable in image.Environment)
            {
                writer.WriteStringValue(variable);
            }

            writer.WriteEndArray();
            writer.WriteString("cwd", image.WorkingDirectory);
            writer.WriteString("note", image.UserNote);
            writer.WriteEndObject();
        }

        return stream.ToArray();
    }

    /// <summary>Null for an image that has nothing to say.</summary>
    public static (CommandDefaults Defaults, string? Note)? Read(ReadOnlyMemory<byte> content)
    {
        const string what = "the image's configuration";
        if (content.IsEmpty)
        {
            return null;
        }

        var read = OciJson.Parse(content, what);
        return (new CommandDefaults(OciJson.Texts(read, "env", what), OciJson.Text(read, "cwd", what) is { Length: > 0 } directory ? directory : null), OciJson.Text(read, "note", what));
    }
}
