using System.Diagnostics;
using System.Globalization;
using Xunit;

namespace Wayang.Fast.Interop.Tests;

/// <summary>Sockets, pipes, signals and the poller.</summary>
public sealed class SystemTests
{
    [Fact]
    public void Pages_are_made_and_no_byte_changes()
    {
        byte[] bytes = GC.AllocateUninitializedArray<byte>(8 << 20, pinned: true);
        bytes.AsSpan().Fill(7);
        for (int page = 0; page < bytes.Length; page += 4096)
        {
            bytes[page] = (byte)(page >> 12);
        }

        byte[] before = [.. bytes];
        nint address = System.Runtime.InteropServices.Marshal.UnsafeAddrOfPinnedArrayElement(bytes, 0);
        MemoryPages.PreferLarge(address + 1, bytes.Length - 2); // no page's boundary
        MemoryPages.Touch(address + 1, bytes.Length - 2);
        MemoryPages.PreferLarge(address, 0);
        MemoryPages.Touch(address, 0);
        Assert.True(before.AsSpan().SequenceEqual(bytes), "a byte was changed");

        // So much always comes from the kernel, and nobody has touched it.
        nint fresh = System.Runtime.InteropServices.Marshal.AllocHGlobal(64 << 20);
        long resident = Resident(fresh);
        MemoryPages.Touch(fresh, 64 << 20);
        long touched = Resident(fresh) - resident;
        System.Runtime.InteropServices.Marshal.FreeHGlobal(fresh);
        Assert.InRange(touched, 48L << 20, 1L << 40);

        // Of the mapping alone: other tests run beside this one, and what they give back counts for the process.
        static long Resident(nint address)
        {
            bool isIt = false;
            foreach (string line in File.ReadLines("/proc/self/smaps"))
            {
                string[] words = line.Split([' ', '-'], StringSplitOptions.RemoveEmptyEntries);
                if (!words[0].EndsWith(':'))
                {
                    isIt = nint.Parse(words[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture) <= address && address < nint.Parse(words[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
                }
                else if (isIt && words[0] is "Rss:")
                {
                    return long.Parse(words[1], CultureInfo.InvariantCulture) << 10;
                }
            }

            return 0;
        }
    }

    [Fact]
    public void Packets_keep_their_bounds_and_carry_descriptors()
    {
        (int first, int second) = PacketSocket.Pair();
        using PacketSocket left = PacketSocket.FromDescriptor(first);
        using PacketSocket right = PacketSocket.FromDescriptor(second);
        byte[] buffer = new byte[64];
        int[] fds = new int[4];
        Assert.Equal(PacketStatus.WouldBlock, right.Receive(buffer, fds, out _, out _));

        int sealedFile = Descriptors.CreateSealedMemory("test", "content"u8);
        Assert.Equal(PacketStatus.Ok, left.Send("one"u8, [sealedFile, sealedFile]));
        Assert.Equal(PacketStatus.Ok, left.Send("two"u8, []));
        Assert.Equal(PacketStatus.Ok, left.Send(new byte[65], []));
        Assert.Equal(PacketStatus.Ok, left.Send("fds"u8, [sealedFile, sealedFile, sealedFile, sealedFile, sealedFile]));
        Descriptors.Close(sealedFile);

        Assert.Equal(PacketStatus.Ok, right.Receive(buffer, fds, out int bytes, out int count));
        Assert.Equal("one"u8, buffer.AsSpan(0, bytes));
        Assert.Equal(2, count);
        Assert.Equal(7, Descriptors.Read(fds[0], buffer));
        Assert.Throws<NativeException>(() => Descriptors.Write(fds[0], "x"u8));
        Descriptors.Close(fds[0]);
        Descriptors.Close(fds[1]);

        Assert.Equal(PacketStatus.Ok, right.Receive(buffer, fds, out bytes, out count));
        Assert.Equal((3, 0), (bytes, count));
        Assert.Equal(PacketStatus.TooLarge, right.Receive(buffer, fds, out _, out _));
        Assert.Equal(PacketStatus.TooLarge, right.Receive(buffer, fds, out _, out count));
        Assert.Equal(0, count);
        left.Dispose();
        Assert.Equal(PacketStatus.Closed, right.Receive(buffer, fds, out _, out _));
        Assert.Equal(PacketStatus.Closed, right.Send("x"u8, []));
        Assert.Throws<ObjectDisposedException>(() => left.Descriptor);
    }

    [Fact]
    public void A_full_socket_would_block()
    {
        (int first, int second) = PacketSocket.Pair();
        using PacketSocket left = PacketSocket.FromDescriptor(first);
        using PacketSocket right = PacketSocket.FromDescriptor(second);
        byte[] message = new byte[60_000];
        PacketStatus status = PacketStatus.Ok;
        for (int i = 0; i < 1000 && status == PacketStatus.Ok; i++)
        {
            status = left.Send(message, []);
        }

        Assert.Equal(PacketStatus.WouldBlock, status);
    }

    [Fact]
    public void Pipes_end_break_and_would_block()
    {
        (int read, int write) = Descriptors.CreatePipe(nonBlockingRead: true, nonBlockingWrite: true);
        byte[] buffer = new byte[8192];
        Assert.Equal(Descriptors.WouldBlock, Descriptors.Read(read, buffer));
        Assert.Equal(3, Descriptors.Write(write, "abc"u8));
        Assert.Equal(3, Descriptors.Read(read, buffer));
        int last;
        do
        {
            last = Descriptors.Write(write, buffer);
        }
        while (last > 0);

        Assert.Equal(Descriptors.WouldBlock, last);
        Descriptors.Close(read);
        Assert.Equal(Descriptors.BrokenPipe, Descriptors.Write(write, buffer));
        Descriptors.Close(write);
        Assert.Throws<NativeException>(() => Descriptors.Read(-1, buffer));
    }

    [Fact]
    public void Poller_waits_for_parts_of_a_millisecond()
    {
        using var poller = new Poller();
        var events = new PollEvent[1];
        var before = Stopwatch.GetTimestamp();
        Assert.Equal(0, poller.WaitMicroseconds(events, 300));
        Assert.True(Stopwatch.GetElapsedTime(before) >= TimeSpan.FromMicroseconds(300));
        Assert.Equal(0, poller.WaitMicroseconds(events, 0));
        using var signal = new EventSignal();
        poller.Add(signal.Descriptor, 7, edgeTriggered: false);
        signal.Signal();
        Assert.Equal(1, poller.WaitMicroseconds(events, long.MaxValue)); // more than it can be told: what is there is told at once all the same
        Assert.Equal(7UL, events[0].Token);
    }

    [Fact]
    public void Poller_tells_tokens_and_hang_ups()
    {
        using var poller = new Poller();
        using var signal = new EventSignal();
        var events = new PollEvent[8];
        (int read, int write) = Descriptors.CreatePipe(nonBlockingRead: true, nonBlockingWrite: true);
        poller.Add(signal.Descriptor, ulong.MaxValue, edgeTriggered: false);
        poller.Add(read, 0x1_0000_0001, edgeTriggered: true);
        poller.AddWritable(write, 3, edgeTriggered: true);
        Assert.Equal(1, poller.Wait(events, 0));
        Assert.Equal((3UL, true, false), (events[0].Token, events[0].Writable, events[0].Readable));

        signal.Signal();
        signal.Signal();
        Assert.Equal(1, poller.Wait(events, -1));
        Assert.Equal(ulong.MaxValue, events[0].Token);
        Assert.True(events[0].Readable);
        signal.Drain();
        Assert.Equal(0, poller.Wait(events, 0));

        poller.Remove(write);
        Descriptors.Close(write);
        Assert.Equal(1, poller.Wait(events, -1));
        Assert.Equal((0x1_0000_0001UL, true), (events[0].Token, events[0].HangUp));
        Assert.Equal(0, poller.Wait(events, 0));
        poller.Remove(read);
        Assert.Throws<NativeException>(() => poller.Remove(read));
        Descriptors.Close(read);
    }

    [Fact]
    public void Impossible_geometries_say_why()
    {
        NativeException error = Assert.Throws<NativeException>(() => ChannelMemory.Create(new ChannelGeometry { RequestSlots = 3 }));
        Assert.Equal(NativeStatus.Invalid, error.Status);
        Assert.Contains("power of two", error.Message, StringComparison.Ordinal);
        Assert.Throws<NativeException>(() => ChannelMemory.Create(new ChannelGeometry { CompletionArenaBytes = 100 }));
        Assert.Throws<NativeException>(() => ChannelMemory.Create(new ChannelGeometry { MaxPayload = 0 }));
    }

    [Fact]
    public void Threads_are_pinned_and_named()
    {
        int cpu = -1;
        Exception? refused = null;
        var thread = new Thread(() =>
        {
            Processor.PinThread(0);
            Processor.NameThread("wayang-test");
            cpu = Processor.Current;
            refused = Record.Exception(() => Processor.PinThread(100_000));
        });
        thread.Start();
        thread.Join();
        Assert.Equal(0, cpu);
        Assert.IsType<NativeException>(refused);
    }
}
