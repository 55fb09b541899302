namespace Wayang.Fast.Core.Ports;

/// <summary>
/// What a task asks for beside its function or command: limits, retries, files and the like. Most tasks have none (null), so
/// the dispatch path only looks whether there are any. Immutable; each part stands in a file of its own.
/// </summary>
public sealed partial record TaskTerms
{
}
