namespace Wayang.Fast.Host.Cli;

/// <summary>A command that cannot go on: what went wrong and where, and what to do about it.</summary>
internal sealed class CommandException : Exception
{
    public CommandException()
    {
    }

    public CommandException(string message)
        : base(message)
    {
    }

    public CommandException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    public CommandException(string message, string remedy, int exitCode = ExitCodes.RuntimeEnded)
        : base(message)
    {
        Remedy = remedy;
        ExitCode = exitCode;
    }

    /// <summary>What to do; null when the message says all.</summary>
    public string? Remedy { get; }

    public int ExitCode { get; } = ExitCodes.RuntimeEnded;
}
