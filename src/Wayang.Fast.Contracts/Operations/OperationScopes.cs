namespace Wayang.Fast.Contracts.Operations;

/// <summary>What a caller may do. An operation is open to whoever has one of its scopes.</summary>
[Flags]
public enum OperationScopes : byte
{
    None = 0,

    /// <summary>See tasks, images and the node.</summary>
    Read = 1,

    /// <summary>Run, submit and cancel tasks, and see what became of them.</summary>
    Run = 2,

    /// <summary>Store images: code that tasks run.</summary>
    Images = 4,
    All = Read | Run | Images,
}

/// <summary>Scopes as people write them: names with commas between.</summary>
public static class ScopeNames
{
    private static readonly (string Name, OperationScopes Scope)[] s_names =
        [("read", OperationScopes.Read), ("run", OperationScopes.Run), ("images", OperationScopes.Images)];

    public static IEnumerable<string> All => s_names.Select(static entry => entry.Name);

    public static string Text(OperationScopes scopes) =>
        string.Join(',', s_names.Where(entry => (scopes & entry.Scope) != OperationScopes.None).Select(static entry => entry.Name));

    /// <summary>False for an empty text or a name that there is not.</summary>
    public static bool TryParse(string text, out OperationScopes scopes)
    {
        scopes = OperationScopes.None;
        foreach (var part in text.Split(','))
        {
            var known = Array.Find(s_names, entry => string.Equals(entry.Name, part, StringComparison.Ordinal)).Scope;
            if (known == OperationScopes.None)
            {
                return false;
            }

            scopes |= known;
        }

        return scopes != OperationScopes.None;
    }
}
