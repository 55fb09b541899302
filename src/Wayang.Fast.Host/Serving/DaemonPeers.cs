using Wayang.Fast.Cluster.Membership;
using Wayang.Fast.Cluster.Migration;
using Wayang.Fast.Execution;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Host.Configuration;

namespace Wayang.Fast.Host.Serving;

/// <summary>The daemon's side of <c>peers:</c>: whom it goes to, and by which certificates it knows who comes.</summary>
internal sealed class DaemonPeers : IAsyncDisposable
{
    private TlsTexts _tls;

    private DaemonPeers(ConfiguredMembership membership, HandoverDesk moves, AutomaticMoves automatic, TlsTexts tls) => (Membership, Moves, Automatic, _tls) = (membership, moves, automatic, tls);

    public ConfiguredMembership Membership { get; }

    public HandoverDesk Moves { get; }

    public AutomaticMoves Automatic { get; }

    public PeerCertificates Certificates { get; } = new();

    /// <returns>Null: none are configured.</returns>
    public static async Task<DaemonPeers?> StartAsync(ServeOptions options, NodeRuntime runtime, StandardErrorLog log)
    {
        if (options.Settings.Peers.Count == 0 || options.Tls is not { ClientAuthority: not null } tls || options.IsPrivate)
        {
            return null;
        }

        var membership = new ConfiguredMembership(
            new MembershipOptions
            {
                Node = options.Runtime.NodeName, Version = runtime.Tasks.DescribeNode().Version, Load = () => runtime.Load, Heartbeat = options.Settings.Heartbeat,
            },
            runtime.Events,
            log.Info);
        HandoverHalts.Install();
        var moves = new HandoverDesk(membership, runtime.Departures, () => runtime.Options.HandoverLease, runtime.Events);
        var automatic = new AutomaticMoves(runtime.Drainable, moves, membership, () => runtime.Load, () => PolicyOf(runtime.Options), TimeProvider.System);
        var peers = new DaemonPeers(membership, moves, automatic, tls);
        await peers.ApplyAsync(options.Settings.Peers, renew: false);
        return peers;
    }

    /// <summary>What a reload says of them.</summary>
    /// <param name="wanted">All that there are from now on.</param>
    /// <param name="tls">What the files of certificates say now; null: nothing.</param>
    public Task TakeAsync(IReadOnlyList<ConfiguredPeer> wanted, TlsTexts? tls)
    {
        var renew = tls is { ClientAuthority: not null } && tls != _tls;
        _tls = renew ? tls! : _tls;
        return ApplyAsync(wanted, renew);
    }

    public async ValueTask DisposeAsync()
    {
        await Automatic.DisposeAsync();
        await Moves.DisposeAsync();
        await Membership.DisposeAsync();
    }

    private static AutomaticMovePolicy PolicyOf(RuntimeOptions options) => new(options.AutomaticMigration, options.AutomaticMoveAfter, options.MostAutomaticMoves);

    private Task ApplyAsync(IReadOnlyList<ConfiguredPeer> wanted, bool renew)
    {
        Certificates.Replace(wanted.Select(static peer => peer.Certificate));
        return Membership.ConfigureAsync([.. wanted.Select(static peer => peer.Spec)], _tls.ClientAuthority!, _tls.Server, renew);
    }
}
