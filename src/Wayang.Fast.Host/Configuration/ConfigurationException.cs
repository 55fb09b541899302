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

    /// <summary>All that is wrong, one line each; the first one's place is the exception's.</summary>
    public ConfigurationException(IReadOnlyList<ConfigurationProblem> problems)
        : base(string.Join(Environment.NewLine, problems))
    {
        Problems = problems;
        if (problems.Count > 0)
        {
            var (place, key) = (problems[0].Place, problems[0].Key);
            (File, Line, Column, Key) = (place.File, place.Line, place.Column, key);
        }
    }

    public IReadOnlyList<ConfigurationProblem> Problems { get; } = [];

    public string? File { get; }

    public long Line { get; }

    public long Column { get; }

    public string? Key { get; }
}
