using System.Globalization;

namespace Wayang.Fast.Host.Configuration;

/// <summary>Where something was said.</summary>
/// <param name="File">The file, or null when it was not a file.</param>
/// <param name="Line">From 1; 0: the file as a whole.</param>
/// <param name="Column">From 1.</param>
/// <param name="Name">The variable of the environment or the option of the command line, when it was one.</param>
public readonly record struct ConfigurationPlace(string? File, long Line, long Column, string? Name = null)
{
    public static ConfigurationPlace Environment(string variable) => new(null, 0, 0, "environment " + variable);

    public static ConfigurationPlace CommandLine(string option) => new(null, 0, 0, "command line " + option);

    public override string ToString() => Name ?? (Line == 0
        ? File ?? "default"
        : string.Create(CultureInfo.InvariantCulture, $"{File}:{Line}:{Column}"));
}

/// <summary>One thing that is wrong with a configuration.</summary>
/// <param name="Place">Where it stands.</param>
/// <param name="Key">Sections and key joined with dots; empty when it is about the file.</param>
/// <param name="Reason">What is wrong, what is allowed, what to write instead.</param>
public sealed record ConfigurationProblem(ConfigurationPlace Place, string Key, string Reason)
{
    /// <summary>What may be written, where that is known.</summary>
    public string? Allowed { get; init; }

    /// <summary>The key that was probably meant.</summary>
    public string? Nearest { get; init; }

    public override string ToString() => $"{Place}: {(Key.Length == 0 ? string.Empty : $"'{Key}': ")}{Reason}";
}
