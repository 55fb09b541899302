using Wayang.Fast.Core.Diagnostics;

namespace Wayang.Fast.Gateway.MessagePackRpc;

/// <content>What the server tells at /metrics, and the threads of cold operations.</content>
public sealed partial class RpcServer : IMetricSource
{
    internal CallTally Calls { get; } = new();

    internal ColdThreads Cold { get; }

    public void WriteMetrics(Exposition exposition)
    {
        ArgumentNullException.ThrowIfNull(exposition);
        Calls.WriteMetrics(exposition);
        exposition.Gauge("wayang_rpc_connections", "Connections that are open.", ConnectionCount);
        exposition.Gauge("wayang_rpc_buffered_bytes", "Bytes held in large frames and in copies for cold operations.", BufferedBytes);
        exposition.Counter("wayang_rpc_handshakes_failed_total", "Peers over TCP that spoke no TLS, or showed nothing that is believed.", FailedHandshakes);
        exposition.Counter("wayang_rpc_unopened_evicted_total", "Peers over TCP that stood still without a session, and were closed for newcomers.", _unopened?.Evicted ?? 0);
        exposition.Counter("wayang_rpc_tokens_refused_total", "Tokens that were unknown or had expired.", RefusedTokens);
        exposition.Counter("wayang_rpc_notifications_ignored_total", "Notifications of peers; none asks for anything.", IgnoredNotifications);
        exposition.Gauge("wayang_rpc_cold_waiting", "Cold operations that wait for a thread.", Cold.Waiting);
        exposition.Gauge("wayang_rpc_cold_threads", "Threads of cold operations.", Cold.Threads);
    }
}
