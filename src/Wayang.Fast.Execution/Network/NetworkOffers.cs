using System.Net.Sockets;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Supervision;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Network;

/// <summary>
/// The workers that have grants: waits for each to hand over its proxy's listening socket, and serves that until the worker is gone.
/// Supervisor thread only.
/// </summary>
internal sealed class NetworkOffers(Poller poller, SpawnerLink link, IncidentLog incidents, ISupervisorLog log)
{
    // In a poller's token, beside the worker's id; ids count up from 1, and those of streams are an id and two bits.
    private const ulong TokenBit = 1UL << 62;

    private readonly Dictionary<ulong, Offer> _offers = [];
    private readonly byte[] _buffer = new byte[16];

    public static bool IsToken(ulong token) => (token >> 62) == 1;

    /// <summary>Tells the spawner that the start which follows is of a worker with a proxy.</summary>
    /// <param name="label">For messages: whose worker it is.</param>
    /// <exception cref="NativeException">Out of descriptors.</exception>
    public bool Open(ulong worker, TaskGrants grants, string label)
    {
        var (ours, theirs) = PacketSocket.Pair();
        var socket = PacketSocket.FromDescriptor(ours);
        try
        {
            poller.Add(ours, worker | TokenBit, edgeTriggered: false);
            _offers[worker] = new Offer(socket, grants, label);
            return link.SendWorkerNetwork(worker, theirs);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
        finally
        {
            Descriptors.Close(theirs);
        }
    }

    public void OnReadable(ulong token)
    {
        if (!_offers.TryGetValue(token & ~TokenBit, out var offer) || offer.Channel is not { } channel)
        {
            return;
        }

        Span<int> descriptors = stackalloc int[PacketSocket.MaxDescriptors];
        PacketStatus status;
        var count = 0;
        try
        {
            status = channel.Receive(_buffer, descriptors, out _, out count);
        }
        catch (NativeException)
        {
            status = PacketStatus.Closed;
        }

        if (status == PacketStatus.WouldBlock)
        {
            return;
        }

        poller.Remove(channel.Descriptor);
        channel.Dispose();
        offer.Channel = null;
        for (var i = 1; i < count; i++)
        {
            Descriptors.Close(descriptors[i]);
        }

        if (count > 0)
        {
            Serve(offer, descriptors[0]);
        }
    }

    /// <summary>The worker is gone, or never came. Does nothing for one without grants.</summary>
    public void Close(ulong worker)
    {
        if (_offers.Count == 0 || !_offers.Remove(worker, out var offer))
        {
            return;
        }

        if (offer.Channel is { } channel)
        {
            poller.Remove(channel.Descriptor);
            channel.Dispose();
        }

        offer.Network?.Dispose();
    }

    /// <summary>The runtime ends.</summary>
    public void CloseAll()
    {
        foreach (var worker in _offers.Keys.ToArray())
        {
            Close(worker);
        }
    }

    /// <summary>What came is the worker's word: only a listening TCP socket is taken, and it can be no other namespace's than one of the worker's.</summary>
    private void Serve(Offer offer, int descriptor)
    {
        Socket? listener = null;
        try
        {
            listener = new Socket(new SafeSocketHandle(descriptor, ownsHandle: true));
            if (listener.SocketType != SocketType.Stream || listener.AddressFamily != AddressFamily.InterNetwork
                || (int)listener.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.AcceptConnection)! == 0)
            {
                throw new SocketException((int)SocketError.OperationNotSupported);
            }

            offer.Network = new GrantedNetwork(listener, offer.Grants, reason => Tell(offer.Label, reason));
            offer.Network.Start();
        }
        catch (Exception error) when (error is SocketException or ArgumentException)
        {
            listener?.Dispose();
            log.Warn($"the proxy of {offer.Label} is not there: {error.Message}");
        }
    }

    private void Tell(string label, string reason)
    {
        incidents.Add(IncidentKind.ConnectionRefused, label, reason);
        log.Warn($"{label}: {reason}");
    }

    private sealed class Offer(PacketSocket channel, TaskGrants grants, string label)
    {
        public PacketSocket? Channel { get; set; } = channel;

        public TaskGrants Grants { get; } = grants;

        public string Label { get; } = label;

        public GrantedNetwork? Network { get; set; }
    }
}
