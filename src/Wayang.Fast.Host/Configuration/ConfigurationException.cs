namespace Wayang.Fast.Host.Configuration;

/// <summary>A configuration that cannot be used: where, which key, why, and what to write instead.</summary>
public sealed class ConfigurationException : Exception
{
    public ConfigurationException()
    {
    }

    public ConfigurationException(string message)
        : base(message)
    {
    }

    public ConfigurationException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    public ConfigurationException(string file, long line, long column, string key, string reason)
        : base($"{file}:{line}:{column}: {(key.Length == 0 ? "" : $"'{key}': ")}{reason}")
    {
        File = file;
        Line = line;
        Column = column;
        Key = key;
    }

    public string? File { get; }

    public long Line { get; }

    public long Column { get; }

    public string? Key { get; }
}
