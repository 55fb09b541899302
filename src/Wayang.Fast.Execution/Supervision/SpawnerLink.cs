using Wayang.Fast.Execution.Images;
using Wayang.Fast.Execution.Spawner;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Supervision;

/// <summary>
/// The socket to the spawner of now. Sends never block: what the socket does not take waits in order, with duplicates of
/// its descriptors. Supervisor thread only.
/// </summary>
internal sealed class SpawnerLink : IDisposable
{
    private readonly byte[] _buffer = new byte[ProtocolLayout.MaxBytes];
    private readonly Queue<(byte[] Message, int[] Descriptors)> _waiting = new();
    private PacketSocket? _socket;

    /// <summary>WELCOME arrived: images can be opened.</summary>
    public bool IsReady { get; private set; }

    public bool IsAttached => _socket is not null;

    public bool HasWaiting => _waiting.Count > 0;

    public Welcome? Welcome { get; private set; }

    /// <summary>Takes the socket of a freshly started spawner and greets it.</summary>
    public void Attach(PacketSocket socket)
    {
        Detach();
        _socket = socket;
        Send(MessageWriter.Hello(_buffer, 1), []);
    }

    public void Detach()
    {
        _socket?.Dispose();
        _socket = null;
        IsReady = false;
        while (_waiting.TryDequeue(out var message))
        {
            CloseAll(message.Descriptors);
        }
    }

    public void OnWelcome(Welcome welcome)
    {
        Welcome = welcome;
        IsReady = true;
    }

    public PacketStatus Receive(Span<byte> buffer, out int bytes)
    {
        bytes = 0;
        if (_socket is null)
        {
            return PacketStatus.Closed;
        }

        Span<int> descriptors = stackalloc int[ProtocolLayout.MaxDescriptors];
        var status = _socket.Receive(buffer, descriptors, out bytes, out var count);
        for (var i = 0; i < count; i++)
        {
            // The spawner sends us none.
            Descriptors.Close(descriptors[i]);
        }

        return status;
    }

    public void SendImageOpen(Image image, ulong id, string name)
    {
        Span<int> source = [image.SourceDescriptor];
        Send(
            MessageWriter.ImageOpen(_buffer, id, id, image.Kind, image.Profile, name, image.SourceDescriptor >= 0 ? 1 : 0),
            image.SourceDescriptor >= 0 ? source : []);
    }

    public void SendImageClose(ulong id) => Send(MessageWriter.ImageClose(_buffer, id), []);

    public void SendWorkerStart(ulong worker, ulong image, uint niceClass, ReadOnlySpan<int> channel) =>
        Send(MessageWriter.WorkerStart(_buffer, MessageType.WorkerStart, worker, image, niceClass, channel.Length), channel);

    public void SendCommandStart(ulong worker, ulong image, uint niceClass, ReadOnlySpan<int> files) =>
        Send(MessageWriter.WorkerStart(_buffer, MessageType.CommandStart, worker, image, niceClass, files.Length), files);

    public void SendSignal(ulong worker, int signal) => Send(MessageWriter.WorkerSignal(_buffer, worker, signal), []);

    /// <summary>Tries again what the socket did not take.</summary>
    public void Flush()
    {
        while (_socket is not null && _waiting.TryPeek(out var next))
        {
            if (_socket.Send(next.Message, next.Descriptors) == PacketStatus.WouldBlock)
            {
                return;
            }

            CloseAll(_waiting.Dequeue().Descriptors);
        }
    }

    public void Dispose() => Detach();

    private void Send(int length, ReadOnlySpan<int> descriptors)
    {
        if (_socket is null)
        {
            // The loss of the spawner was or will be told for everything that was under way.
            return;
        }

        var message = _buffer.AsSpan(0, length);
        if (_waiting.Count == 0 && _socket.Send(message, descriptors) != PacketStatus.WouldBlock)
        {
            return;
        }

        var copies = new int[descriptors.Length];
        for (var i = 0; i < copies.Length; i++)
        {
            copies[i] = Descriptors.Duplicate(descriptors[i]);
        }

        _waiting.Enqueue((message.ToArray(), copies));
    }

    private static void CloseAll(int[] descriptors)
    {
        foreach (var descriptor in descriptors)
        {
            Descriptors.Close(descriptor);
        }
    }
}
