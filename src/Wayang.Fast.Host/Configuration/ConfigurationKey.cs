namespace Wayang.Fast.Host.Configuration;

/// <summary>What a value looks like.</summary>
public enum KeyKind
{
    /// <summary>A whole number; '_' may stand between digits.</summary>
    Number,

    /// <summary>Bytes: a whole number, or one with KiB, MiB or GiB behind it.</summary>
    Size,

    /// <summary>A number with a fraction.</summary>
    Decimal,

    /// <summary>true or false.</summary>
    Flag,

    /// <summary>An absolute path.</summary>
    Path,

    /// <summary>ADDRESS:PORT.</summary>
    Address,

    /// <summary>One of <see cref="ConfigurationKey.Choices"/>.</summary>
    Word,

    /// <summary>Letters, digits, '.', '_' and '-'.</summary>
    Name,
}

/// <summary>What a reload does with a changed value.</summary>
public enum KeyChange
{
    /// <summary>Takes effect at once.</summary>
    Live,

    /// <summary>Takes effect at once up to the value of the start, for which tables were sized; more needs a restart.</summary>
    LiveUpToStart,

    /// <summary>Takes effect when the runtime is started again.</summary>
    Restart,
}

/// <summary>A value as it was read: the number it stands for (flags: 0 or 1), and how it is written.</summary>
public readonly record struct ConfigurationValue(long Number, string Text);

/// <summary>
/// One key of the configuration: the only place that knows its name, range, unit, default, words and effect. Reading, checking,
/// showing, the example and the README's table are made of it.
/// </summary>
/// <param name="Name">Sections joined with dots.</param>
/// <param name="Kind">What its value looks like.</param>
/// <param name="Description">One line for people.</param>
public sealed record ConfigurationKey(string Name, KeyKind Kind, string Description)
{
    /// <summary>Range of numbers and sizes; length of paths.</summary>
    public long Minimum { get; init; }

    public long Maximum { get; init; } = long.MaxValue;

    /// <summary>The words that may be written.</summary>
    public IReadOnlyList<string> Choices { get; init; } = [];

    /// <summary>Range of numbers with a fraction; their <see cref="ConfigurationValue.Number"/> counts hundredths.</summary>
    public (double Least, double Most) Fraction { get; init; }

    /// <summary>What a value of 0 means where 0 is allowed beside the range; else null.</summary>
    public string? ZeroMeans { get; init; }

    /// <summary>ms, s, min, us, MB, GB, or nothing.</summary>
    public string Unit { get; init; } = string.Empty;

    public KeyChange Change { get; init; } = KeyChange.Live;

    /// <summary>The value in force, as it would be written; null for keys without an effect of their own.</summary>
    public Func<FileSettings, string>? Read { get; init; }

    /// <summary>Returns the settings with the value in place; null for keys without an effect.</summary>
    public Func<FileSettings, ConfigurationValue, FileSettings>? Apply { get; init; }

    /// <summary>This key is another name (the specification's) of that one, whose value is <see cref="Factor"/> times this one's.</summary>
    public string? SameAs { get; init; }

    public long Factor { get; init; } = 1;

    /// <summary>Read and checked, but not active yet: what will serve it.</summary>
    public string? Later { get; init; }

    /// <summary>The only value that is allowed, and why.</summary>
    public (string Value, string Reason)? Only { get; init; }

    /// <summary>In words, where the default depends on the machine or is none.</summary>
    public string? DefaultWords { get; init; }

    /// <summary>A value for the example, where there is no default.</summary>
    public string? Sample { get; init; }

    /// <summary>Of an address that names none.</summary>
    public int DefaultPort { get; init; } = Gateway.MessagePackRpc.RpcTcpOptions.DefaultPort;

    /// <summary>Never printed.</summary>
    public bool IsSecret { get; init; }

    /// <summary>The last word of the name.</summary>
    public string LeafName => Name[(Name.LastIndexOf('.') + 1)..];

    /// <summary>What the key it is another name of, or it itself, is called.</summary>
    public string Setting => SameAs ?? Name;

    /// <summary>The default as it would be written; null where there is none.</summary>
    public string? Default => Read?.Invoke(new FileSettings());

    public string EnvironmentName => EnvironmentOverrides.Prefix + Name.ToUpperInvariant().Replace(".", EnvironmentOverrides.Separator, StringComparison.Ordinal);

    /// <summary>What may be written, for messages: "a whole number from 1 to 8".</summary>
    public string Allowed => ValueReader.Allowed(this);
}
