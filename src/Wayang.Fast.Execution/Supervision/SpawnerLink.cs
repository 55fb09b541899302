using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Images;
using Wayang.Fast.Execution.Isolation;
using Wayang.Fast.Execution.Limits;
using Wayang.Fast.Execution.Spawner;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Supervision;

/// <summary>
/// The socket to the spawner of now. Sends never block: what the socket does not take waits in order, with duplicates of
/// its descriptors. Supervisor thread only.
/// </summary>
internal sealed class SpawnerLink : IDisposable
{
    private const int NoMemory = 12;
    private const int NoBuffers = 105;
    private const int TooManyReferences = 109;

    private readonly byte[] _buffer = new byte[ProtocolLayout.MaxBytes];
    private readonly Queue<(byte[] Message, int[] Descriptors)> _waiting = new();
    private PacketSocket? _socket;

    /// <summary>WELCOME arrived: images can be opened.</summary>
    public bool IsReady { get; private set; }

    public bool IsAttached => _socket is not null;

    public bool HasWaiting => _waiting.Count > 0;

    /// <summary>The socket failed: the spawner must be given up.</summary>
    public bool IsBroken { get; private set; }

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
        IsBroken = false;
        while (_waiting.TryDequeue(out var message))
        {
            CloseAll(message.Descriptors);
        }
    }

    /// <summary>What is known of the profiles changed.</summary>
    public void Learn(IReadOnlyList<ProfileDescription> profiles) => Welcome = Welcome is { } told ? told with { Profiles = profiles } : null;

    public void LearnRefusal(string profile, string why) => Welcome = Welcome is { } told
        ? told with { RefusedProfiles = new Dictionary<string, string>(told.RefusedProfiles, StringComparer.Ordinal) { [profile] = why } }
        : null;

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
        PacketStatus status;
        int count;
        try
        {
            status = _socket.Receive(buffer, descriptors, out bytes, out count);
        }
        catch (NativeException)
        {
            return PacketStatus.Closed;
        }

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
            MessageWriter.ImageOpen(_buffer, id, id, image.Kind, image.Profile, name, image.SourceDescriptor >= 0 ? 1 : 0, image.IsMigratable),
            image.SourceDescriptor >= 0 ? source : []);
    }

    public void SendImageClose(ulong id) => Send(MessageWriter.ImageClose(_buffer, id), []);

    /// <returns>False when it was not and will not be sent.</returns>
    public bool SendWorkerStart(ulong worker, ulong image, uint niceClass, in StartLimits limits, ReadOnlySpan<int> channel) =>
        Send(MessageWriter.WorkerStart(_buffer, MessageType.WorkerStart, worker, image, niceClass, channel.Length, limits), channel);

    /// <returns>False when it was not and will not be sent.</returns>
    public bool SendCommandStart(ulong worker, ulong image, uint niceClass, in StartLimits limits, ReadOnlySpan<int> files) =>
        Send(MessageWriter.WorkerStart(_buffer, MessageType.CommandStart, worker, image, niceClass, files.Length, limits), files);

    /// <returns>False when it was not and will not be sent.</returns>
    public bool SendScan() => Send(MessageWriter.Scan(_buffer), []);

    public void SendUsage(uint first) => Send(MessageWriter.Usage(_buffer, first), []);

    /// <param name="request">Echoed when it is refused; no id of an image or worker.</param>
    /// <returns>False when it was not and will not be sent.</returns>
    public bool SendProfileDefine(ulong request, DerivedProfile profile) =>
        ProfileMessages.Define(_buffer, request, profile) is > 0 and var length && Send(length, []);

    /// <summary>Right before the start of that worker.</summary>
    public bool SendWorkerNetwork(ulong worker, int channel) => Send(ProfileMessages.WorkerNetwork(_buffer, worker), [channel]);

    public void SendClass(ulong worker, uint niceClass) => Send(MessageWriter.WorkerClass(_buffer, worker, niceClass), []);

    /// <summary>Makes the processes of a worker or command stand still, or lets them go on.</summary>
    public void SendFreeze(ulong worker, bool freeze) => Send(FreezeMessages.Freeze(_buffer, worker, freeze), []);

    /// <param name="request">Echoed in the answer, or when it is refused.</param>
    /// <param name="worker">A call worker of a migratable image.</param>
    /// <param name="live">It may run for most of it.</param>
    /// <param name="stream">Where it is written down; stays the caller's.</param>
    /// <returns>False when it was not and will not be sent.</returns>
    public bool SendCapture(ulong request, ulong worker, bool live, int stream) => Send(MoveMessages.Capture(_buffer, request, worker, live), [stream]);

    /// <returns>False when it was not and will not be sent.</returns>
    public bool SendWorkerRestore(ulong worker, ulong image, uint niceClass, in StartLimits limits, ReadOnlySpan<int> channelAndStream) =>
        Send(MessageWriter.WorkerStart(_buffer, MessageType.WorkerRestore, worker, image, niceClass, channelAndStream.Length, limits), channelAndStream);

    /// <summary>A captured worker goes on after all; a restored one begins.</summary>
    public void SendGo(ulong worker) => Send(MoveMessages.Go(_buffer, worker), []);

    public void SendSignal(ulong worker, int signal) => Send(MessageWriter.WorkerSignal(_buffer, worker, signal), []);

    /// <summary>Tries again what the socket did not take.</summary>
    public void Flush()
    {
        while (_waiting.TryPeek(out var next) && TrySend(next.Message, next.Descriptors) != PacketStatus.WouldBlock)
        {
            CloseAll(_waiting.Dequeue().Descriptors);
        }
    }

    public void Dispose() => Detach();

    private bool Send(int length, ReadOnlySpan<int> descriptors)
    {
        if (_socket is null)
        {
            // The loss of the spawner was or will be told for everything that was under way.
            return false;
        }

        var message = _buffer.AsSpan(0, length);
        if (_waiting.Count == 0 && TrySend(message, descriptors) != PacketStatus.WouldBlock)
        {
            return true;
        }

        var copies = new int[descriptors.Length];
        copies.AsSpan().Fill(-1);
        try
        {
            for (var i = 0; i < copies.Length; i++)
            {
                copies[i] = Descriptors.Duplicate(descriptors[i]);
            }
        }
        catch (NativeException)
        {
            CloseAll(copies); // out of descriptors: this one start fails
            return false;
        }

        _waiting.Enqueue((message.ToArray(), copies));
        return true;
    }

    private PacketStatus TrySend(ReadOnlySpan<byte> message, ReadOnlySpan<int> descriptors)
    {
        try
        {
            return _socket?.Send(message, descriptors) ?? PacketStatus.Closed;
        }
        catch (NativeException failure) when (failure.SystemError is TooManyReferences or NoBuffers or NoMemory)
        {
            return PacketStatus.WouldBlock; // too much is in flight between us: it passes
        }
        catch (NativeException)
        {
            IsBroken = true;
            return PacketStatus.Closed;
        }
    }

    private static void CloseAll(int[] descriptors)
    {
        foreach (var descriptor in descriptors)
        {
            Descriptors.Close(descriptor);
        }
    }
}
