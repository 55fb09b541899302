namespace Wayang.Fast.EndToEnd.Tests.Escape;

/// <summary>How an attempt is run: a kind of task under a profile.</summary>
public enum EscapeMode
{
    /// <summary>A call of a C plugin under <c>compute</c>.</summary>
    ComputeCall,

    /// <summary>A call of a C plugin under <c>standard</c>.</summary>
    StandardCall,

    /// <summary>A command under <c>standard</c>.</summary>
    StandardCommand,
}
