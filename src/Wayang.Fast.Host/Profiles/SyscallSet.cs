namespace Wayang.Fast.Host.Profiles;

/// <summary>One rule of a *.syscalls file.</summary>
/// <param name="Action">allow, notify, refuse, or an errno.</param>
/// <param name="Condition">argN[&amp;MASK]=V|V, or null.</param>
/// <param name="Reason">Why it is allowed.</param>
internal sealed record SyscallRule(string Name, string Action, string? Condition, string? Reason);

/// <summary>System calls as a profile's file and those that it includes say them; a later file goes before what it includes.</summary>
internal sealed class SyscallSet
{
    private const int MaxDepth = 4;
    private readonly Dictionary<string, SyscallRule> rules;

    public SyscallSet() => rules = new Dictionary<string, SyscallRule>(StringComparer.Ordinal);

    private SyscallSet(IEnumerable<KeyValuePair<string, SyscallRule>> from) => rules = new Dictionary<string, SyscallRule>(from, StringComparer.Ordinal);

    public IEnumerable<SyscallRule> Rules => rules.Values;

    /// <summary>Names that are let through, at least with some arguments.</summary>
    public IEnumerable<string> Allowed => rules.Values.Where(static r => r.Action == "allow").Select(static r => r.Name);

    public bool Allows(string name) => rules.TryGetValue(name, out var rule) && rule.Action == "allow";

    public bool IsDangerous(string name) => rules.TryGetValue(name, out var rule) && rule.Action == "notify";

    public SyscallSet Without(IEnumerable<string> names)
    {
        var fewer = new SyscallSet(rules);
        foreach (var name in names)
        {
            fewer.rules[name] = new SyscallRule(name, "EPERM", null, null);
        }

        return fewer;
    }

    /// <exception cref="IOException">A file is not there.</exception>
    public static SyscallSet Read(string directory, string file)
    {
        var set = new SyscallSet();
        set.Add(directory, file, 0);
        return set;
    }

    private void Add(string directory, string file, int depth)
    {
        foreach (var line in File.ReadLines(Path.Combine(directory, file)))
        {
            var words = line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            if (words.Length < 2 || words[0].StartsWith('#') || words[0] == "default")
            {
                continue;
            }

            if (words[0] == "include")
            {
                if (depth < MaxDepth)
                {
                    Add(directory, words[1], depth + 1);
                }

                continue;
            }

            var name = words[1].TrimEnd('?');
            var at = 2;
            var condition = words.Length > 3 && words[2] == "if" ? words[3] : null;
            at += condition is null ? 0 : 2;
            at += words.Length > at + 1 && words[at] == "else" ? 2 : 0;
            rules[name] = new SyscallRule(name, words[0], condition, words.Length > at ? string.Join(' ', words.Skip(at)) : null);
        }
    }
}
