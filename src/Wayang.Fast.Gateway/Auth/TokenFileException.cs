namespace Wayang.Fast.Gateway.Auth;

/// <summary>A file of tokens that cannot be used: which, where, why, and what to do.</summary>
public sealed class TokenFileException : IOException
{
    public TokenFileException()
    {
    }

    public TokenFileException(string message)
        : base(message)
    {
    }

    public TokenFileException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
