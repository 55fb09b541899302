namespace Wayang.Fast.Host.Configuration;

/// <summary>What goes before what: each goes before those above it.</summary>
public enum ConfigurationLayer
{
    Default,
    File,
    Environment,
    CommandLine,
}

/// <summary>A value that somebody gave to a key.</summary>
public sealed record GivenValue(ConfigurationKey Key, ConfigurationValue Value, ConfigurationLayer Layer, ConfigurationPlace Place)
{
    /// <summary>In the terms of the key that it sets.</summary>
    public long SettingNumber => Value.Number * Key.Factor;
}

/// <summary>Everything that a configuration is read of. Immutable; travels from whoever may read it to the daemon.</summary>
public sealed record ConfigurationInput
{
    /// <summary>Absolute, or null without a file.</summary>
    public string? Path { get; init; }

    public string? Text { get; init; }

    /// <summary>WAYANG__ variables.</summary>
    public IReadOnlyList<(string Name, string Value)> Environment { get; init; } = [];

    /// <summary>--socket.</summary>
    public string? Socket { get; init; }

    /// <summary>The file (when one is named) and this process's environment.</summary>
    /// <exception cref="ConfigurationException">The file cannot be read.</exception>
    public static ConfigurationInput Gather(string? path, string? socket = null) => new()
    {
        Path = path,
        Text = path is null ? null : ConfigurationFile.ReadText(path),
        Environment = EnvironmentOverrides.Of(System.Environment.GetEnvironmentVariables()),
        Socket = socket,
    };
}
