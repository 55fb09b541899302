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
        exposition.Gauge("wayang_rpc_cold_waiting", "Cold operations that wait for a thread.", Cold.Waiting);
        exposition.Gauge("wayang_rpc_cold_threads", "Threads of cold operations.", Cold.Threads);
    }
}
