namespace Wayang.Fast.Host.Configuration;

/// <content>Images that are unpacked of a layout on disk.</content>
public static partial class ConfigurationKeys
{
    private static IEnumerable<ConfigurationKey> OfOci() =>
    [
        new("oci.store", KeyKind.Path, "Where images of a layout (images: oci) are unpacked; only root and who starts the runtime may write it.")
        {
            Minimum = 1,
            Maximum = 160, // below it stands a name of 71, and a root has at most 255
            Change = KeyChange.Restart,
            Read = static s => s.OciStore,
            Apply = static (s, v) => s with { OciStore = v.Text },
            DefaultWords = "as root /var/lib/wayang/roots, else $XDG_DATA_HOME/wayang/roots or ~/.local/share/wayang/roots",
            Sample = "/var/lib/wayang/roots",
        },
        new("oci.max_bytes", KeyKind.Size, "What the layers of one image may have together when they are unpacked.")
        {
            Minimum = 1 << 20,
            Maximum = 1L << 44,
            Change = KeyChange.Restart,
            Read = static s => ValueReader.SizeText(s.OciBounds.MaxBytes),
            Apply = static (s, v) => s with { OciBounds = s.OciBounds with { MaxBytes = v.Number } },
        },
        new("oci.max_files", KeyKind.Number, "Entries of all layers of one image.")
        {
            Minimum = 1,
            Maximum = 100_000_000,
            Change = KeyChange.Restart,
            Read = static s => Text(s.OciBounds.MaxFiles),
            Apply = static (s, v) => s with { OciBounds = s.OciBounds with { MaxFiles = (int)v.Number } },
        },
    ];
}
