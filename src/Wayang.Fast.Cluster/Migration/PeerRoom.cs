using System.Globalization;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Cluster.Migration;

/// <summary>
/// Which peers have slots that nobody waits for. A peer says so once a heartbeat, so what was sent to one is counted against it until it must have said it itself. Thread-safe.
/// </summary>
internal sealed class PeerRoom(INodeMembership membership, TimeProvider time)
{
    private static readonly TimeSpan s_untold = TimeSpan.FromSeconds(3);

    private readonly Dictionary<string, List<long>> _sent = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();

    /// <summary>The connected peer with the most free slots, one at least.</summary>
    /// <param name="refused">Peers that are not to be asked now.</param>
    /// <param name="why">Why there is none.</param>
    public string? Find(Func<string, bool> refused, out string why)
    {
        var peers = membership.List();
        var (best, most) = ((string?)null, 0L);
        var words = new List<string>();
        foreach (var peer in peers)
        {
            if (peer.State != PeerState.Connected)
            {
                words.Add($"{peer.Name} is {WireNames.Text(peer.State)}");
                continue;
            }

            var free = peer.Load.Slots - peer.Load.Running - peer.Load.Queued - Sent(peer.Name);
            words.Add(string.Create(CultureInfo.InvariantCulture, $"{peer.Name} has {peer.Load.Running} running and {peer.Load.Queued} waiting for {peer.Load.Slots} slots"));
            if (free > most && !refused(peer.Name))
            {
                (best, most) = (peer.Name, free);
            }
        }

        why = peers.Count == 0 ? "this node has no peers" : $"no peer has room for it ({string.Join("; ", words)})";
        return best;
    }

    /// <summary>A call is sent there.</summary>
    public void Send(string peer)
    {
        lock (_lock)
        {
            if (!_sent.TryGetValue(peer, out var times))
            {
                _sent.Add(peer, times = []);
            }

            times.Add(time.GetTimestamp());
        }
    }

    private int Sent(string peer)
    {
        lock (_lock)
        {
            if (!_sent.TryGetValue(peer, out var times))
            {
                return 0;
            }

            times.RemoveAll(t => time.GetElapsedTime(t) > s_untold);
            return times.Count;
        }
    }
}
