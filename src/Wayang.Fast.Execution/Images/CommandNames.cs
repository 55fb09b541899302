using System.Collections.Concurrent;
using System.Text;

namespace Wayang.Fast.Execution.Images;

/// <summary>
/// The names that the configuration gave to commands under a profile: such an image has no content, it says where commands run. Thread-safe; cold.
/// </summary>
internal sealed class CommandNames
{
    private readonly ConcurrentDictionary<(int Tenant, string Name), string> _profiles = new();

    /// <summary>Counts names that came to mean something else: targets that were resolved by one before are stale.</summary>
    public NameBindings Bindings { get; } = new();

    /// <summary>The profile that commands of this name run under; null: there is no such name.</summary>
    public string? ProfileOf(int tenant, ReadOnlySpan<byte> name) =>
        _profiles.IsEmpty ? null : _profiles.GetValueOrDefault((tenant, Encoding.UTF8.GetString(name)));

    /// <summary>Names and profiles, by name.</summary>
    public IReadOnlyList<(string Name, string Profile)> Of(int tenant) =>
        [.. _profiles.Where(p => p.Key.Tenant == tenant).Select(static p => (p.Key.Name, p.Value)).OrderBy(static p => p.Name, StringComparer.Ordinal)];

    public void Bind(int tenant, string name, string profile)
    {
        if (_profiles.GetValueOrDefault((tenant, name)) != profile)
        {
            _profiles[(tenant, name)] = profile;
            Bindings.Change();
        }
    }

    /// <summary>The name is another image's from now on.</summary>
    public void Drop(int tenant, string name)
    {
        if (_profiles.TryRemove((tenant, name), out _))
        {
            Bindings.Change();
        }
    }
}
