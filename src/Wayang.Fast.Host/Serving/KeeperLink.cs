using System.Buffers.Binary;
using System.Globalization;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Host.Serving;

/// <summary>
/// The daemon's end of the keeper's control socket (native/keeper/protocol.h): spawners and configurations come in over it, and its end of file
/// means that the keeper is gone and everything has to end. Own thread, which sleeps in epoll.
/// </summary>
internal sealed class KeeperLink : IDisposable
{
    private const uint SpawnerAttached = 1;
    private const uint Shutdown = 2;
    private const uint Configuration = 3;
    private const uint Ready = 16;
    private const uint Exit = 17;
    private const uint First = 18;
    private const uint BeforeTasks = 19;
    private const ulong ControlToken = 1;
    private const ulong StopToken = 2;

    private readonly PacketSocket _socket;
    private readonly Poller _poller = new();
    private readonly EventSignal _stop = new();
    private readonly Action<int> _onSpawner;
    private readonly Action<int> _onConfiguration;
    private readonly Action<string> _onEnd;
    private readonly Thread _thread;
    private volatile bool _stopping;

    /// <param name="descriptor">The control socket.</param>
    /// <param name="onSpawner">Takes the descriptor of a fresh spawner's socket. On the link's thread.</param>
    /// <param name="onConfiguration">Takes the descriptor of a new configuration. On the link's thread.</param>
    /// <param name="onEnd">Told once why the daemon has to end. On the link's thread.</param>
    public KeeperLink(int descriptor, Action<int> onSpawner, Action<int> onConfiguration, Action<string> onEnd)
    {
        _socket = PacketSocket.FromDescriptor(descriptor);
        _onSpawner = onSpawner;
        _onConfiguration = onConfiguration;
        _onEnd = onEnd;
        _poller.Add(_socket.Descriptor, ControlToken, edgeTriggered: false);
        _poller.Add(_stop.Descriptor, StopToken, edgeTriggered: false);
        _thread = new Thread(Run) { Name = "wayang-keeper-link", IsBackground = true };
    }

    /// <summary>The descriptor that the keeper left us, from its environment variable; null outside a keeper.</summary>
    public static int? InheritedDescriptor =>
        int.TryParse(Environment.GetEnvironmentVariable("WAYANG_CONTROL_FD"), NumberStyles.None, CultureInfo.InvariantCulture, out var fd) ? fd : null;

    public void Start() => _thread.Start();

    /// <summary>The daemon listens and has a spawner.</summary>
    public void SendReady() => Send(Ready, 0);

    /// <summary>The daemon ends by its own wish: the keeper must not start it again.</summary>
    public void SendExit(int code) => Send(Exit, code);

    /// <summary>A thread of ours, by the system's number, that somebody waits for and that does little: it is to go before the tasks. The keeper does so where the host allows it.</summary>
    public void SendFirst(int thread) => Send(First, thread);

    /// <summary>A thread of ours that goes first and shall not, or that weighs less than the daemon: it is to be an ordinary one of the daemon's weight and slice. The keeper does so where the host allows it.</summary>
    public void SendBeforeTasks(int thread) => Send(BeforeTasks, thread);

    public void Dispose()
    {
        _stopping = true;
        _stop.Signal();
        if (_thread.IsAlive && Thread.CurrentThread != _thread)
        {
            _thread.Join();
        }

        _poller.Dispose();
        _stop.Dispose();
        _socket.Dispose();
    }

    private void Send(uint type, int value)
    {
        Span<byte> message = stackalloc byte[8];
        BinaryPrimitives.WriteUInt32LittleEndian(message, type);
        BinaryPrimitives.WriteInt32LittleEndian(message[4..], value);
        _socket.Send(message, []);
    }

    private void Run()
    {
        var events = new PollEvent[2];
        while (!_stopping)
        {
            _poller.Wait(events, -1);
            try
            {
                if (_stopping || !Receive())
                {
                    return;
                }
            }
            catch (NativeException failure)
            {
                _onEnd($"the keeper's socket failed: {failure.Message}");
                return;
            }
        }
    }

    private bool Receive()
    {
        Span<byte> buffer = stackalloc byte[64];
        Span<int> descriptors = stackalloc int[4];
        while (true)
        {
            var status = _socket.Receive(buffer, descriptors, out var bytes, out var count);
            if (status == PacketStatus.WouldBlock)
            {
                return true;
            }

            if (status != PacketStatus.Ok)
            {
                _onEnd("the keeper is gone");
                return false;
            }

            var type = bytes >= 4 ? BinaryPrimitives.ReadUInt32LittleEndian(buffer) : 0;
            if (type == SpawnerAttached && count == 1)
            {
                _onSpawner(descriptors[0]);
                continue;
            }

            if (type == Configuration && count == 1)
            {
                _onConfiguration(descriptors[0]);
                continue;
            }

            for (var i = 0; i < count; i++)
            {
                Descriptors.Close(descriptors[i]);
            }

            if (type == Shutdown)
            {
                _onEnd("the keeper asked for it");
                return false;
            }
        }
    }
}
