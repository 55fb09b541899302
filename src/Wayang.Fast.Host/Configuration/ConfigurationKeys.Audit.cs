namespace Wayang.Fast.Host.Configuration;

/// <content>The log of what operators do.</content>
public static partial class ConfigurationKeys
{
    private static IEnumerable<ConfigurationKey> OfAudit() =>
    [
        new("audit.enabled", KeyKind.Flag, "Writes down what operators do and are refused, in files of state.directory: 'wayang audit' reads them.")
        {
            Change = KeyChange.Restart,
            Read = static s => s.Audit.Enabled ? "true" : "false",
            Apply = static (s, v) => s with { Audit = s.Audit with { Enabled = v.Number == 1 } },
        },
        new("audit.file_bytes", KeyKind.Size, "One of these files; the next is begun before it grows over this.")
        {
            Minimum = 1 << 20,
            Maximum = 1L << 32,
            Change = KeyChange.Restart,
            Read = static s => ValueReader.SizeText(s.Audit.FileBytes),
            Apply = static (s, v) => s with { Audit = s.Audit with { FileBytes = v.Number } },
        },
        new("audit.files", KeyKind.Number, "Files that are kept; the oldest goes first.")
        {
            Minimum = 2,
            Maximum = 10_000,
            Change = KeyChange.Restart,
            Read = static s => Text(s.Audit.Files),
            Apply = static (s, v) => s with { Audit = s.Audit with { Files = (int)v.Number } },
        },
    ];
}
