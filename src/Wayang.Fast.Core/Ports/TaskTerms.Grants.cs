using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Core.Ports;

/// <content>What the task may do beyond its profile's least.</content>
public sealed partial record TaskTerms
{
    /// <summary>Null: nothing is granted.</summary>
    public TaskGrants? Grants { get; init; }
}

/// <summary>Capabilities given to one task; checked at admission against its profile's ceiling. Immutable.</summary>
/// <param name="Connect">Where it may connect to: sorted, each once, at least one.</param>
public sealed record TaskGrants(IReadOnlyList<Destination> Connect)
{
    /// <summary>At most so many of each kind.</summary>
    public const int Most = 32;

    /// <summary>The same for equal grants: part of a pool's key, since a warm worker has them for good.</summary>
    public string Key { get; } = string.Join(' ', Connect.Select(static c => $"connect={c}"));

    /// <summary>One text each, as they are recorded with the task.</summary>
    public IReadOnlyList<string> Texts => Key.Split(' ');

    public bool Equals(TaskGrants? other) => other is not null && Key == other.Key;

    public override int GetHashCode() => StringComparer.Ordinal.GetHashCode(Key);

    /// <returns>Null and the sentence when one is no destination.</returns>
    public static TaskGrants? TryMake(IEnumerable<string> connect, out string why)
    {
        ArgumentNullException.ThrowIfNull(connect);
        why = string.Empty;
        var destinations = new SortedDictionary<string, Destination>(StringComparer.Ordinal);
        foreach (var text in connect)
        {
            if (!Destination.TryParse(text, out var destination, out why))
            {
                return null;
            }

            destinations[destination!.ToString()] = destination;
        }

        return new TaskGrants([.. destinations.Values]);
    }
}
