namespace Wayang.Fast.Contracts.Operations;

/// <summary>What a caller may do. An operation is open to whoever has one of its scopes; <see cref="Admin"/> stands for each of them.</summary>
[Flags]
public enum OperationScopes : byte
{
    None = 0,

    /// <summary>See tasks, images and the node.</summary>
    Read = 1,

    /// <summary>Run, submit and cancel tasks, and see what became of them.</summary>
    Submit = 2,

    /// <summary>Store images: code that tasks run.</summary>
    Images = 4,

    /// <summary>Pause, change and cancel what others of the tenant submitted, and scan the node.</summary>
    Operate = 8,

    /// <summary>Everything, and the configuration.</summary>
    Admin = 16,

    /// <summary>What nodes ask of each other. Only who shows the certificate of a configured peer has it, and nothing else; no token can.</summary>
    Peer = 32,

    /// <summary>What work needs; a token has these unless more is said.</summary>
    Work = Read | Submit | Images,
    All = Work | Operate | Admin,
}

/// <summary>Scopes as people write them: names with commas between.</summary>
public static class ScopeNames
{
    /// <summary>What <c>submit</c> was called before; files of tokens may still say so.</summary>
    private const string FormerSubmit = "run";

    private static readonly (string Name, OperationScopes Scope)[] s_names =
    [
        ("read", OperationScopes.Read), ("submit", OperationScopes.Submit), ("images", OperationScopes.Images), ("operate", OperationScopes.Operate),
        ("admin", OperationScopes.Admin),
    ];

    public static IEnumerable<string> All => s_names.Select(static entry => entry.Name);

    public static string Text(OperationScopes scopes) =>
        scopes == OperationScopes.Peer ? "peer" : string.Join(',', s_names.Where(entry => (scopes & entry.Scope) != OperationScopes.None).Select(static entry => entry.Name));

    /// <summary>False for an empty text or a name that there is not.</summary>
    public static bool TryParse(string text, out OperationScopes scopes)
    {
        scopes = OperationScopes.None;
        foreach (var part in text.Split(','))
        {
            var known = part == FormerSubmit ? OperationScopes.Submit : Array.Find(s_names, entry => string.Equals(entry.Name, part, StringComparison.Ordinal)).Scope;
            if (known == OperationScopes.None)
            {
                scopes = OperationScopes.None;
                return false;
            }

            scopes |= known;
        }

        return scopes != OperationScopes.None;
    }
}
