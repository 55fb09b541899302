using System.Collections.Concurrent;
using System.Globalization;
using Wayang.Fast.Core.Admission;

namespace Wayang.Fast.Execution;

/// <summary>
/// The tenants that are configured or were seen. Any thread. At most one per id (<see cref="TenantPolicy.MaxId"/> + 1 of them);
/// ids come from tokens and configuration, never from a request.
/// </summary>
internal sealed class TenantDirectory(LiveOptions options)
{
    /// <summary>What the tenant of a peer is called that nothing else is said about.</summary>
    public const string DefaultName = "default";

    private readonly ConcurrentDictionary<int, Tenant> _tenants = new();

    public IEnumerable<Tenant> All => _tenants.Values;

    public Tenant Of(int id) => _tenants.TryGetValue(id, out var tenant) ? tenant : _tenants.GetOrAdd(id, static (i, o) => new Tenant(PolicyOf(i, o.Current)), options);

    /// <summary>The tenant of a user of the unix socket, when the configuration names one.</summary>
    public int? OfUser(uint user) => options.Current.Tenants.FirstOrDefault(t => t.Users.Contains(user))?.Id;

    /// <summary>Puts the policies of the options in force: all that are configured, and all that were seen.</summary>
    public void Apply()
    {
        var current = options.Current;
        foreach (var id in current.Tenants.Select(static t => t.Id).Concat(_tenants.Keys).Distinct().ToList())
        {
            var policy = PolicyOf(id, current);
            var tenant = Of(id);
            if (tenant.Policy != policy)
            {
                tenant.Replace(policy);
            }
        }
    }

    private static TenantPolicy PolicyOf(int id, RuntimeOptions options) =>
        options.Tenants.FirstOrDefault(t => t.Id == id)
        ?? options.OtherTenants with { Id = id, Name = id == 0 ? DefaultName : string.Create(CultureInfo.InvariantCulture, $"tenant-{id}") };
}
