namespace Wayang.Fast.Host.Configuration;

internal enum NodeKind
{
    Scalar,
    Mapping,
    Sequence,

    /// <summary>Something that is not read here, told as a problem already.</summary>
    Refused,
}

/// <summary>A node of the file's tree with its place. Mappings keep their pairs in order, also those whose key stands twice.</summary>
internal sealed class ConfigurationNode(NodeKind kind, long line, long column)
{
    public NodeKind Kind { get; } = kind;

    public long Line { get; } = line;

    public long Column { get; } = column;

    public string Text { get; init; } = string.Empty;

    /// <summary>Written without quotes: an empty one says nothing.</summary>
    public bool IsPlain { get; init; }

    public List<(ConfigurationNode Key, ConfigurationNode Value)> Pairs { get; } = [];

    public List<ConfigurationNode> Items { get; } = [];

    public bool SaysNothing => Kind == NodeKind.Scalar && IsPlain && Text is "" or "~" or "null";
}
