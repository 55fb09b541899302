using System.Globalization;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Cluster.Membership;

/// <summary>
/// The connection that a node keeps to one peer: made again, with growing pauses, whenever it is lost, and asked at each heartbeat whether it is there. One loop on the thread pool;
/// what it knows is one immutable value, which any thread reads.
/// </summary>
internal sealed class PeerLink : IAsyncDisposable
{
    private const int MissedHeartbeats = 3;

    private readonly MembershipOptions _options;
    private readonly ClientCertificates _certificates;
    private readonly Func<NodeGreeting> _self;
    private readonly Action<PeerLink, PeerInfo> _changed;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _loop;
    private PeerInfo _info;
    private long _heardUnixMs;
    private long _reconnects;
    private WayangClient? _client;
    private TaskCompletionSource _connected = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private string _boot = string.Empty;

    /// <param name="spec">Whom to reach.</param>
    /// <param name="options">Of this node.</param>
    /// <param name="certificates">What is believed and shown.</param>
    /// <param name="self">How this node introduces itself now.</param>
    /// <param name="changed">Told each change of state, on the loop's thread.</param>
    public PeerLink(PeerSpec spec, MembershipOptions options, ClientCertificates certificates, Func<NodeGreeting> self, Action<PeerLink, PeerInfo> changed)
    {
        (Spec, _options, _certificates, _self, _changed) = (spec, options, certificates, self, changed);
        _info = new PeerInfo(
            spec.Name, spec.Address.ToString(), PeerState.Connecting, DateTimeOffset.UtcNow, "it was not reached yet", null, string.Empty, TimeSpan.Zero, NodeLoad.None);
        _loop = Task.Run(RunAsync);
    }

    public PeerSpec Spec { get; }

    /// <summary>Connections after the first.</summary>
    public long Reconnects => Interlocked.Read(ref _reconnects);

    /// <summary>Null: it is not connected now. What is asked of it fails when it is lost meanwhile.</summary>
    public WayangClient? Client => Volatile.Read(ref _client);

    /// <summary>Completes when the peer is connected; at once where it is. It may be lost again by then.</summary>
    public Task WhenConnected => Volatile.Read(ref _connected).Task;

    /// <summary>Of the start of the peer that was reached last; empty: none was.</summary>
    public string Boot => Volatile.Read(ref _boot);

    public PeerInfo Info => Volatile.Read(ref _info) with
    {
        Heard = Interlocked.Read(ref _heardUnixMs) is > 0 and var at ? DateTimeOffset.FromUnixTimeMilliseconds(at) : null,
    };

    /// <summary>The peer asked for something here. Any thread.</summary>
    public void Hear() => Interlocked.Exchange(ref _heardUnixMs, DateTimeOffset.UtcNow.ToUnixTimeMilliseconds());

    /// <summary>Opens a connection for one call.</summary>
    /// <exception cref="WayangException">The peer is not reached, or refuses.</exception>
    public Task<Stream> OpenForCallAsync(CallDirection direction, string handover, TimeSpan patience, CancellationToken cancellation) =>
        CallConnection.OpenAsync(ClientOptions(patience), direction, handover, patience, cancellation);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(false);
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        var pause = _options.FirstPause;
        while (!_stop.IsCancellationRequested)
        {
            var was = _info.State;
            try
            {
                await KeepAsync().ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
#pragma warning disable CA1031 // Whatever it was, the next try follows: a peer that is not reached any more because of a defect here would be no peer.
            catch (Exception failure)
#pragma warning restore CA1031
            {
                Fail(failure);
            }

            // From the first pause on again where there was a connection in between.
            pause = was != PeerState.Connected && _info.State != PeerState.Lost ? pause : _options.FirstPause;
            try
            {
#pragma warning disable CA5394 // Not a secret: so that the peers of a node that was started again do not come all at once.
                await Task.Delay(pause * (0.5 + (Random.Shared.NextDouble() / 2)), _stop.Token).ConfigureAwait(false);
#pragma warning restore CA5394
            }
            catch (OperationCanceledException)
            {
                return;
            }

            pause = pause * 2 < _options.LongestPause ? pause * 2 : _options.LongestPause;
        }
    }

    /// <summary>Connects, and stays as long as the peer answers.</summary>
    private async Task KeepAsync()
    {
        var patience = _options.Heartbeat * MissedHeartbeats;
        await using var client = await WayangClient.ConnectAsync(ClientOptions(patience), _stop.Token).ConfigureAwait(false);
        try
        {
            while (true)
            {
                await AskAsync(client, patience).ConfigureAwait(false);
                await Task.Delay(_options.Heartbeat, _stop.Token).ConfigureAwait(false);
            }
        }
        finally
        {
            Volatile.Write(ref _connected, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
            Volatile.Write(ref _client, null);
        }
    }

    private WayangClientOptions ClientOptions(TimeSpan patience) => new()
    {
        Endpoint = Spec.Address, Certificates = _certificates, CertificateName = Spec.Certificate, CertificateFingerprint = Spec.Fingerprint,
        HandshakeTimeout = patience < TimeSpan.FromSeconds(2) ? TimeSpan.FromSeconds(2) : patience, ReconnectTimeout = TimeSpan.Zero,
    };

    private async Task AskAsync(WayangClient client, TimeSpan patience)
    {
        var begun = TimeProvider.System.GetTimestamp();
        var told = await client.GreetAsync(_self(), _stop.Token).WaitAsync(patience, _stop.Token).ConfigureAwait(false);
        if (told.Protocol != PeerFields.Protocol)
        {
            throw new WayangException(ErrorCode.Unsupported, string.Create(
                CultureInfo.InvariantCulture, $"it speaks version {told.Protocol} of what nodes say to each other, this node {PeerFields.Protocol}: run the same release on both ({told.Version} there)"));
        }

        if (!string.Equals(told.Node, Spec.Name, StringComparison.Ordinal))
        {
            throw new WayangException(ErrorCode.PermissionDenied, $"who answers there calls itself '{told.Node}', not '{Spec.Name}': compare node.name there with peers here");
        }

        var was = _info;
        if (was.State == PeerState.Connected && !string.Equals(told.Boot, Boot, StringComparison.Ordinal))
        {
            Fail(new WayangException(ErrorCode.NodeLost, "it was started anew between two heartbeats"));
            was = _info;
        }

        var isNew = was.State != PeerState.Connected;
        Volatile.Write(ref _boot, told.Boot);
        Volatile.Write(ref _info, was with
        {
            State = PeerState.Connected, Since = isNew ? DateTimeOffset.UtcNow : was.Since, Reason = string.Empty, Version = told.Version,
            RoundTrip = TimeProvider.System.GetElapsedTime(begun), Load = told.Load,
        });
        Volatile.Write(ref _client, client);
        _connected.TrySetResult();
        if (isNew)
        {
            if (was.State is PeerState.Lost)
            {
                Interlocked.Increment(ref _reconnects);
            }

            _changed(this, _info);
        }
    }

    private void Fail(Exception failure)
    {
        var was = _info;
        var isRefusal = failure is WayangException { Code: ErrorCode.Unauthenticated or ErrorCode.PermissionDenied or ErrorCode.Unsupported or ErrorCode.UnknownOperation or ErrorCode.InvalidArgument };
        var state = isRefusal ? PeerState.Refused : was.State == PeerState.Connecting ? PeerState.Connecting : PeerState.Lost;
        var reason = failure switch
        {
            WayangException { Code: ErrorCode.Unauthenticated, Field: "token" } => "it does not take this node for a peer: has it an entry with this node's name and certificate in its peers?",
            WayangException told => told.Message,
            TimeoutException or OperationCanceledException => "it did not answer in time",
            _ => failure.Message,
        };
        Volatile.Write(ref _info, was with { State = state, Since = state == was.State ? was.Since : DateTimeOffset.UtcNow, Reason = reason, Load = NodeLoad.None });
        if (state != was.State || (state == PeerState.Refused && !string.Equals(reason, was.Reason, StringComparison.Ordinal)))
        {
            _changed(this, _info);
        }
    }
}
