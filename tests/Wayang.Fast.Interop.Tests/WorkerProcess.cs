using System.Diagnostics;
using System.Net.Sockets;
using Xunit;

namespace Wayang.Fast.Interop.Tests;

/// <summary>
/// A real worker process (no sandbox) behind a channel: built from the same C code as a production worker. Its completions
/// are read by the test's thread, which sleeps in a <see cref="Poller"/> as the daemon does.
/// </summary>
internal sealed class WorkerProcess : IDisposable
{
    public const ushort Noop = 0;
    public const ushort Echo = 1;
    public const ushort Reverse = 2;
    public const ushort Produce = 3;
    public const ushort TypedError = 4;
    public const ushort PlainFailure = 5;
    public const ushort Print = 6;
    public const ushort Chatter = 7;
    public const ushort UntilCancelled = 8;
    public const ushort Endless = 9;
    public const ushort SaveAndCrash = 16;
    public const ushort SaveAndWait = 18;
    public const ushort YieldUnasked = 19;

    private readonly Poller _poller = new();
    private readonly PollEvent[] _events = new PollEvent[4];
    private readonly byte[] _scratch = new byte[ChannelLayout.MaxChunkBytes];

    public WorkerProcess(ChannelGeometry geometry)
    {
        Memory = ChannelMemory.Create(geometry);
        Writer = new RequestWriter(Memory);
        Reader = new CompletionReader(Memory);
        _poller.Add(Memory.Doorbell, 7, edgeTriggered: true);
        Process = Start();
        Assert.Equal(ChannelLayout.KindReady, Next(out _).Kind);
    }

    public ChannelMemory Memory { get; }

    public RequestWriter Writer { get; }

    public CompletionReader Reader { get; }

    public Process Process { get; }

    public static string BuildFolder => Path.GetFullPath(Path.Combine(NativeLibraryLocator.FindFolder()!, "..", "tests"));

    /// <summary>The next completion, sleeping until it is there; its chunk in <paramref name="payload"/>.</summary>
    public Completion Next(out ReadOnlySpan<byte> payload)
    {
        while (true)
        {
            RingStatus status = Reader.TryRead(_scratch, out Completion completion);
            if (status == RingStatus.Ok)
            {
                payload = _scratch.AsSpan(0, completion.Length);
                return completion;
            }

            if (status == RingStatus.Corrupt)
            {
                throw new InvalidOperationException(Reader.CorruptReason);
            }

            WaitForDoorbell();
        }
    }

    /// <summary>Sends one call of any size and collects its end; log lines go to <paramref name="log"/>.</summary>
    public (byte Kind, byte[] Payload) Call(uint ticket, ushort function, ReadOnlySpan<byte> input, List<(byte Stream, string Text)>? log = null)
    {
        var output = new MemoryStream();
        Send(ticket, function, ChannelLayout.KindCall, input);
        while (true)
        {
            Completion completion = Next(out ReadOnlySpan<byte> payload);
            Assert.Equal(ticket, completion.Ticket);
            if (completion.Kind == ChannelLayout.KindLog)
            {
                log?.Add((payload[0], System.Text.Encoding.UTF8.GetString(payload[1..])));
                continue;
            }

            output.Write(payload);
            if (completion.Last)
            {
                Assert.Equal(completion.Total, output.Length);
                return (completion.Kind, output.ToArray());
            }
        }
    }

    /// <summary>Writes one payload of any size.</summary>
    public void Send(uint ticket, ushort function, byte kind, ReadOnlySpan<byte> input)
    {
        long written = 0;
        do
        {
            RingStatus status = Writer.TryWriteChunk(ticket, function, kind, input, ref written);
            if (status == RingStatus.Full)
            {
                Writer.SetWantsSpace(true);
                status = Writer.TryWriteChunk(ticket, function, kind, input, ref written);
            }

            if (status == RingStatus.Full)
            {
                Writer.Publish();
                WaitForDoorbell();
                continue;
            }

            Assert.Equal(RingStatus.Ok, status);
        }
        while (written != input.Length);
        Writer.SetWantsSpace(false);
        Writer.Publish();
    }

    /// <summary>One turn of sleep as the completion loop does it: announce, look again, wait.</summary>
    public void WaitForDoorbell()
    {
        if (!Reader.PrepareSleep())
        {
            _poller.Wait(_events, 1000);
        }

        Reader.CancelSleep();
    }

    /// <summary>
    /// A call whose ring is taken out of the doorbell before anybody looks at the completion, which code that reads the doorbell can
    /// bring about.
    /// </summary>
    /// <returns>Whether the worker rings again by itself.</returns>
    public bool RingsAgainAfterSwallowedRing(uint ticket)
    {
        Assert.False(Reader.PrepareSleep());
        Assert.Equal(RingStatus.Ok, Writer.TryWrite(ticket, Echo, ChannelLayout.KindCall, "x"u8));
        Writer.Publish();
        Assert.Equal(1, _poller.Wait(_events, 10_000));
        using var doorbell = new Microsoft.Win32.SafeHandles.SafeFileHandle(Memory.Doorbell, ownsHandle: false);
        Assert.Equal(sizeof(ulong), RandomAccess.Read(doorbell, new byte[sizeof(ulong)], 0));
        var again = _poller.Wait(_events, 10_000) == 1;
        Reader.CancelSleep();
        return again && Next(out _).Ticket == ticket;
    }

    public void Dispose()
    {
        if (!Process.HasExited)
        {
            Process.Kill();
            Process.WaitForExit();
        }

        Process.Dispose();
        _poller.Dispose();
        Memory.Dispose();
    }

    private Process Start()
    {
        string path = Path.Combine(Path.GetTempPath(), $"wayang-test-{Guid.NewGuid():N}");
        using var listener = new Socket(AddressFamily.Unix, SocketType.Seqpacket, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen(1);
        var start = new ProcessStartInfo(Path.Combine(BuildFolder, "channel_worker"))
        {
            ArgumentList = { path, Path.Combine(BuildFolder, "plugins", "test_plugin.so") },
            UseShellExecute = false,
        };
        Process process = Process.Start(start)!;
        Socket connection = listener.Accept();
        File.Delete(path);

        // The socket's descriptor changes hands: PacketSocket closes it.
        int descriptor = (int)connection.SafeHandle.DangerousGetHandle();
        connection.SafeHandle.SetHandleAsInvalid();
        using PacketSocket packets = PacketSocket.FromDescriptor(descriptor);
        Assert.Equal(PacketStatus.Ok, packets.Send([1], [Memory.DaemonFile, Memory.WorkerFile, Memory.Doorbell]));
        Memory.CloseTransferred();
        return process;
    }
}
