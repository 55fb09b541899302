namespace Wayang.Fast.Core.Ports;

/// <content>Whether its result may be an earlier one's.</content>
public sealed partial record TaskTerms
{
    /// <summary>The same function or command on the same input always gives the same: an earlier result may answer it.</summary>
    public bool Pure { get; init; }
}
