namespace Wayang.Fast.Gateway.Auth;

/// <summary>One line of the file of tokens, as it was and as it is.</summary>
/// <param name="Before">Null: there was none of this name.</param>
/// <param name="After">Null: there is none of this name any more.</param>
public sealed record TokenChange(AccessToken? Before, AccessToken? After)
{
    /// <summary>Whose line it is.</summary>
    public AccessToken Token => After ?? Before ?? throw new InvalidOperationException("A change of nothing.");

    /// <summary>What differs between two files, by name.</summary>
    internal static IEnumerable<TokenChange> Between(IEnumerable<AccessToken> before, IReadOnlyList<AccessToken> after)
    {
        var left = before.ToDictionary(static token => token.Name, StringComparer.Ordinal);
        foreach (var token in after)
        {
            left.Remove(token.Name, out var former);
            if (former != token)
            {
                yield return new TokenChange(former, token);
            }
        }

        foreach (var former in left.Values)
        {
            yield return new TokenChange(former, After: null);
        }
    }
}
