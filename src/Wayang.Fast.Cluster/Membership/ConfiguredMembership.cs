using System.Security.Cryptography;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Cluster.Membership;

/// <summary>The peers that the configuration names, each with a connection that is kept. They can be replaced while it runs. Thread-safe.</summary>
public sealed class ConfiguredMembership : INodeMembership, IMetricSource, IAsyncDisposable
{
    private const int BootBytes = 8;

    private readonly MembershipOptions _options;
    private readonly EventDesk _events;
    private readonly Action<string> _log;
    private readonly string _boot = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(BootBytes));
    private readonly SemaphoreSlim _changing = new(1, 1);
    private IReadOnlyList<PeerLink> _links = [];
    private bool _disposed;

    /// <param name="options">Of this node.</param>
    /// <param name="events">Told each peer that comes and goes.</param>
    /// <param name="log">The same, in words.</param>
    public ConfiguredMembership(MembershipOptions options, EventDesk events, Action<string> log)
    {
        ArgumentNullException.ThrowIfNull(options);
        (_options, _events, _log) = (options, events, log);
    }

    public NodeGreeting Self => new(_options.Node, _boot, _options.Version, PeerFields.Protocol, _options.Load());

    public IReadOnlyList<PeerInfo> List() => [.. Volatile.Read(ref _links).Select(static link => link.Info)];

    public string? Greet(string peer, NodeGreeting greeting)
    {
        ArgumentNullException.ThrowIfNull(greeting);
        if (Find(peer) is not { } link)
        {
            return $"'{peer}' is no peer of '{_options.Node}' any more";
        }

        if (!string.Equals(greeting.Node, peer, StringComparison.Ordinal))
        {
            return $"the certificate is that of peer '{peer}', and its bearer calls itself '{greeting.Node}': compare node.name there with peers here";
        }

        link.Hear();
        return null;
    }

    /// <summary>These are the peers from now on. Those that are as they were keep their connections, unless certificates were replaced.</summary>
    /// <param name="peers">By distinct names.</param>
    /// <param name="authority">Who signed the nodes' certificates, as PEM.</param>
    /// <param name="own">This node's certificate and key, as PEM.</param>
    /// <param name="renew">Connect all anew: the certificates are others.</param>
    /// <exception cref="WayangException">The certificates cannot be used; nothing was changed.</exception>
    public async Task ConfigureAsync(IReadOnlyList<PeerSpec> peers, string authority, string own, bool renew = false)
    {
        ArgumentNullException.ThrowIfNull(peers);
        var certificates = ClientCertificates.Of(authority, own);
        await _changing.WaitAsync().ConfigureAwait(false);
        try
        {
            if (_disposed)
            {
                return;
            }

            var before = Volatile.Read(ref _links);
            var kept = renew ? [] : before.Where(link => peers.Contains(link.Spec)).ToList();
            var fresh = peers.Where(spec => kept.TrueForAll(link => link.Spec != spec)).Select(spec => new PeerLink(spec, _options, certificates, () => Self, OnChanged));
            Volatile.Write(ref _links, [.. kept.Concat(fresh).OrderBy(static link => link.Spec.Name, StringComparer.Ordinal)]);
            foreach (var gone in before.Except(kept))
            {
                await gone.DisposeAsync().ConfigureAwait(false);
            }
        }
        finally
        {
            _changing.Release();
        }
    }

    public void WriteMetrics(Exposition exposition)
    {
        ArgumentNullException.ThrowIfNull(exposition);
        var links = Volatile.Read(ref _links);
        exposition.Gauge("wayang_peer_connected", "1: the peer is reached and answers; 0: node.peers says why not.");
        foreach (var link in links)
        {
            exposition.Sample(link.Info.State == PeerState.Connected ? 1 : 0, "peer", link.Spec.Name);
        }

        exposition.Counter("wayang_peer_reconnects_total", "Connections to the peer that were made again after one was lost.");
        foreach (var link in links)
        {
            exposition.Sample(link.Reconnects, "peer", link.Spec.Name);
        }

        exposition.Gauge("wayang_peer_round_trip_seconds", "How long the peer's last answer to a heartbeat took.");
        foreach (var link in links)
        {
            exposition.Sample(link.Info.RoundTrip.TotalSeconds, "peer", link.Spec.Name);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _changing.WaitAsync().ConfigureAwait(false);
        _disposed = true;
        foreach (var link in Volatile.Read(ref _links))
        {
            await link.DisposeAsync().ConfigureAwait(false);
        }

        Volatile.Write(ref _links, []);
        _changing.Release();
    }

    internal PeerLink? Find(string name) => Volatile.Read(ref _links).FirstOrDefault(link => string.Equals(link.Spec.Name, name, StringComparison.Ordinal));

    private void OnChanged(PeerLink link, PeerInfo info)
    {
        var isGood = info.State == PeerState.Connected;
        _events.Post(EventTypes.PeerPrefix + WireNames.Text(info.State), isGood ? EventSeverity.Info : EventSeverity.Warning, EventData.Peer(info.Name, info.Reason));
        _log(isGood ? $"peer '{info.Name}' at {info.Address} is connected (release {info.Version})" : $"peer '{info.Name}' at {info.Address} is {WireNames.Text(info.State)}: {info.Reason}");
    }
}
