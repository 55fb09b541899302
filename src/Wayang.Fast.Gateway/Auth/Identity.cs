using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Gateway.Auth;

/// <summary>Whom a connection, or a request, acts for and what it may do; fixed once it is known.</summary>
/// <param name="Tenant">Whose tasks and images it sees.</param>
/// <param name="Scopes">Which operations are open to it.</param>
/// <param name="Identity">Shared by all connections of the same caller.</param>
/// <param name="Token">What opened the session; null where the kernel said who calls.</param>
/// <param name="Peer">The node that it is; null: it is none.</param>
internal sealed record Caller(int Tenant, OperationScopes Scopes, Identity Identity, AccessToken? Token, PeerCertificate? Peer = null)
{
    /// <summary>By which door it came, and from where.</summary>
    public CallerOrigin Origin { get; init; }
}

/// <summary>One caller with all its connections: what they hold together. Any thread; lock-free.</summary>
internal sealed class Identity(string name, int maxInFlight, ByteBudget bytes, CallRate rate)
{
    private int _inFlight;
    private CallRate? _refusals;

    public string Name { get; } = name;

    public ByteBudget Bytes { get; } = bytes;

    public CallRate Rate { get; } = rate;

    /// <summary>Guarded by the table's lock.</summary>
    public int Connections { get; set; }

    public bool IsIdle => Connections == 0 && Volatile.Read(ref _inFlight) == 0 && Bytes.Used == 0 && Rate.IsFull && _refusals?.IsFull != false;

    /// <summary>How often refused attempts of it are written into the audit log one by one.</summary>
    public CallRate RefusalsOf(int perSecond) => _refusals ?? Interlocked.CompareExchange(ref _refusals, new CallRate(perSecond), null) ?? _refusals;

    public bool TryBeginCall()
    {
        if (Interlocked.Increment(ref _inFlight) <= maxInFlight)
        {
            return true;
        }

        Interlocked.Decrement(ref _inFlight);
        return false;
    }

    public void EndCall() => Interlocked.Decrement(ref _inFlight);
}

/// <param name="MaxConnections">Open at once.</param>
/// <param name="MaxInFlight">Requests without a reply.</param>
/// <param name="MaxBufferedBytes">In large requests and in copies of them.</param>
/// <param name="CallsPerSecond">0: as many as they like.</param>
internal sealed record IdentityBounds(int MaxConnections, int MaxInFlight, long MaxBufferedBytes, int CallsPerSecond = 0);

/// <summary>The callers of now. One is forgotten when nothing of it is left, so that coming again does not renew its bounds.</summary>
/// <param name="bounds">Of each.</param>
/// <param name="all">What they may hold together.</param>
internal sealed class IdentityTable(IdentityBounds bounds, ByteBudget all)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Identity> _identities = new(StringComparer.Ordinal);

    /// <summary>Counts one more connection of the caller; null when it has too many.</summary>
    public Identity? Enter(string name)
    {
        lock (_gate)
        {
            if (!_identities.TryGetValue(name, out var identity))
            {
                identity = new Identity(name, bounds.MaxInFlight, new ByteBudget(bounds.MaxBufferedBytes, all), new CallRate(bounds.CallsPerSecond));
                _identities[name] = identity;
            }

            if (identity.Connections == bounds.MaxConnections)
            {
                return null;
            }

            identity.Connections++;
            return identity;
        }
    }

    public void Leave(Identity identity)
    {
        lock (_gate)
        {
            identity.Connections--;
        }
    }

    public void Sweep()
    {
        lock (_gate)
        {
            foreach (var (name, identity) in _identities)
            {
                if (identity.IsIdle)
                {
                    _identities.Remove(name);
                }
            }
        }
    }
}
