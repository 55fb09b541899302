using System.Globalization;
using System.Text;
using Xunit;

namespace Wayang.Fast.Interop.Tests;

/// <summary>Managed daemon side against a real worker process written in C.</summary>
[Trait("Promise", "TR1")]
[Trait("Promise", "PS1")]
public sealed class WorkerChannelTests
{
    private static readonly ChannelGeometry Small = new()
    {
        RequestSlots = 8,
        RequestArenaBytes = 16384,
        CompletionSlots = 8,
        CompletionArenaBytes = 16384,
    };

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(47)]
    [InlineData(48)]
    [InlineData(49)]
    [InlineData(4096)]
    [InlineData(4097)]
    [InlineData(65536)]
    [InlineData(65537)]
    [InlineData(1_000_003)]
    public void Echo_returns_the_same_bytes_through_default_and_smallest_rings(int length)
    {
        byte[] input = Pattern(length);
        foreach (ChannelGeometry geometry in new[] { new ChannelGeometry(), Small })
        {
            using var worker = new WorkerProcess(geometry);
            (byte kind, byte[] output) = worker.Call(5, WorkerProcess.Echo, input);
            Assert.Equal(ChannelLayout.KindOutput, kind);
            Assert.True(input.AsSpan().SequenceEqual(output));
        }
    }

    [Fact]
    public void Payload_of_64_MiB_crosses_both_ways()
    {
        byte[] input = Pattern(64 << 20);
        using var worker = new WorkerProcess(new ChannelGeometry());
        (byte kind, byte[] output) = worker.Call(9, WorkerProcess.Echo, input);
        Assert.Equal(ChannelLayout.KindOutput, kind);
        Assert.True(input.AsSpan().SequenceEqual(output));
    }

    [Fact]
    public void Output_over_the_bound_is_a_typed_error()
    {
        using var worker = new WorkerProcess(new ChannelGeometry { MaxPayload = 100_000 });
        (byte kind, byte[] output) = worker.Call(1, WorkerProcess.Produce, "100001"u8);
        Assert.Equal(ChannelLayout.KindError, kind);
        Assert.StartsWith("output_too_large\0", Encoding.UTF8.GetString(output), StringComparison.Ordinal);
        Assert.Equal(100_000, worker.Call(2, WorkerProcess.Produce, "100000"u8).Payload.Length);

        long written = 0;
        Assert.Equal(RingStatus.TooLarge, worker.Writer.TryWriteChunk(3, 0, ChannelLayout.KindCall, new byte[100_001], ref written));
    }

    [Fact]
    public void Errors_are_typed_and_drop_what_was_appended()
    {
        using var worker = new WorkerProcess(Small);
        Assert.Equal("bad_input\0why", Error(worker, WorkerProcess.TypedError, "why"));
        Assert.Equal("function_failed\0", Error(worker, WorkerProcess.PlainFailure, ""));
        Assert.StartsWith("no_such_function\0", Error(worker, 999, ""), StringComparison.Ordinal);
    }

    [Fact]
    public void Printed_lines_come_before_the_end_of_their_call()
    {
        using var worker = new WorkerProcess(Small);
        var log = new List<(byte Stream, string Text)>();
        Assert.Equal(ChannelLayout.KindOutput, worker.Call(1, WorkerProcess.Print, "hello"u8, log).Kind);
        Assert.Equal("out: hello\nunfinished", Joined(log, ChannelLayout.LogStdout));
        Assert.Equal("err: hello\n", Joined(log, ChannelLayout.LogStderr));
        Assert.Equal("level", Joined(log, ChannelLayout.LogWarning));
    }

    [Fact]
    public void A_flood_of_lines_is_cut_and_the_cut_is_told()
    {
        using var worker = new WorkerProcess(Small);
        var log = new List<(byte Stream, string Text)>();
        worker.Call(1, WorkerProcess.Chatter, "100000"u8, log);
        Assert.Equal(4 << 20, Joined(log, ChannelLayout.LogStdout).Length);
        int line = "line 000000000 ................................................\n".Length;
        int dropped = (100_000 * line) - (4 << 20);
        Assert.Equal(string.Create(CultureInfo.InvariantCulture, $"[{dropped} bytes of log were dropped]\n"), Joined(log, ChannelLayout.LogStderr));
    }

    [Fact]
    public void A_ring_that_was_swallowed_is_rung_again()
    {
        using var worker = new WorkerProcess(Small);
        Assert.True(worker.RingsAgainAfterSwallowedRing(5));
        Assert.Equal("next", Encoding.UTF8.GetString(worker.Call(6, WorkerProcess.Echo, "next"u8).Payload));
    }

    [Fact]
    public void A_function_sees_its_own_cancel_flag_only()
    {
        using var worker = new WorkerProcess(Small);
        worker.Writer.SetCancelled(255, true);
        worker.Writer.SetCancelled(3, true);
        worker.Writer.SetCancelled(255, false);
        Assert.Equal("stopped", Encoding.UTF8.GetString(worker.Call(0x1203, WorkerProcess.UntilCancelled, [], null).Payload));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(48)]
    [InlineData(49)]
    [InlineData(65_537)]
    [InlineData(1_000_003)]
    public void What_was_saved_comes_before_the_call_and_to_no_other(int length)
    {
        byte[] state = Pattern(length);
        foreach (ChannelGeometry geometry in new[] { new ChannelGeometry(), Small })
        {
            using var worker = new WorkerProcess(geometry);
            worker.Send(5, 0, ChannelLayout.KindState, state);
            (byte kind, byte[] output) = worker.Call(5, WorkerProcess.SaveAndCrash, Pattern(100_000));
            Assert.Equal(ChannelLayout.KindOutput, kind);
            Assert.True(state.AsSpan().SequenceEqual(output));
            worker.Send(6, 0, ChannelLayout.KindState, state);
            Assert.Equal(ChannelLayout.KindOutput, worker.Call(7, WorkerProcess.Noop, []).Kind);
            Assert.Equal(2, BitConverter.ToInt32(worker.Call(8, WorkerProcess.SaveAndCrash, "1"u8).Payload)); // nothing is kept here, and nothing was found
        }
    }

    [Fact]
    public void States_are_written_whole_within_their_bound()
    {
        using var worker = new WorkerProcess(Small);
        worker.Memory.StateBytes = 20_000;
        Assert.Equal(1, BitConverter.ToInt32(worker.Call(1, WorkerProcess.SaveAndCrash, "20001"u8).Payload));
        worker.Send(2, WorkerProcess.SaveAndCrash, ChannelLayout.KindCall, "20000"u8);
        var saved = new List<byte>();
        Completion completion;
        do
        {
            completion = worker.Next(out ReadOnlySpan<byte> payload);
            Assert.Equal((ChannelLayout.KindSaved, 20_000), (completion.Kind, completion.Total));
            saved.AddRange(payload);
        }
        while (!completion.Last);
        Assert.True(saved.SequenceEqual(Enumerable.Range(0, 20_000).Select(static i => (byte)(i % 251))));
    }

    [Fact]
    public void A_call_sees_that_its_state_is_wanted_and_gives_its_place_back()
    {
        using var worker = new WorkerProcess(Small);
        worker.Writer.SetSaveWanted(4, true);
        Assert.Equal(ChannelLayout.KindYielded, worker.Call(0x1203, WorkerProcess.YieldUnasked, []).Kind); // another's
        worker.Writer.SetSaveWanted(3, true);
        Assert.Equal(ChannelLayout.KindOutput, worker.Call(0x1303, WorkerProcess.YieldUnasked, []).Kind);
        worker.Writer.SetSaveWanted(3, false);
        Assert.Equal(ChannelLayout.KindYielded, worker.Call(0x1403, WorkerProcess.YieldUnasked, []).Kind);
    }

    [Fact]
    public void Chunks_that_are_given_up_end_with_an_error_and_the_ring_goes_on()
    {
        using var worker = new WorkerProcess(new ChannelGeometry());
        long written = 0;
        Assert.Equal(RingStatus.Ok, worker.Writer.TryWriteChunk(4, WorkerProcess.Echo, ChannelLayout.KindCall, new byte[200_000], ref written));
        Assert.Equal(RingStatus.Full, worker.Writer.TryWrite(5, WorkerProcess.Noop, ChannelLayout.KindCall, []));
        Assert.Equal(RingStatus.Ok, worker.Writer.TryAbortChunks());
        worker.Writer.Publish();
        Assert.Equal(ChannelLayout.KindError, worker.Next(out ReadOnlySpan<byte> payload).Kind);
        Assert.StartsWith("aborted\0", Encoding.UTF8.GetString(payload), StringComparison.Ordinal);
        Assert.Equal(ChannelLayout.KindOutput, worker.Call(6, WorkerProcess.Noop, []).Kind);
    }

    [Fact]
    public void Stop_finishes_what_was_read_and_exits_0()
    {
        using var worker = new WorkerProcess(Small);
        Assert.Equal(RingStatus.Ok, worker.Writer.TryWrite(1, WorkerProcess.Echo, ChannelLayout.KindCall, "last"u8));
        Assert.Equal(RingStatus.Ok, worker.Writer.TryWrite(0, 0, ChannelLayout.KindStop, []));
        worker.Writer.Publish();
        worker.Process.WaitForExit();
        Assert.Equal(0, worker.Process.ExitCode);
        Assert.Equal(ChannelLayout.KindOutput, worker.Next(out ReadOnlySpan<byte> payload).Kind);
        Assert.Equal("last"u8, payload);
    }

    [Fact]
    public void Windows_of_64_keep_order_and_lose_nothing()
    {
        const int Total = 300_000;
        var slots = ChannelGeometry.SlotsFor(64);
        using var worker = new WorkerProcess(new ChannelGeometry { RequestSlots = slots, CompletionSlots = slots });
        uint next = 0;
        uint expected = 0;
        byte[] scratch = new byte[ChannelLayout.MaxChunkBytes];
        byte[] input = new byte[8];
        while (expected < Total)
        {
            while (next < Total && next - expected < 64)
            {
                BitConverter.TryWriteBytes(input, next);
                Assert.Equal(RingStatus.Ok, worker.Writer.TryWrite(next++, WorkerProcess.Echo, ChannelLayout.KindCall, input));
            }

            worker.Writer.Publish();
            RingStatus status = worker.Reader.TryRead(scratch, out Completion completion);
            if (status == RingStatus.Empty)
            {
                worker.WaitForDoorbell();
                continue;
            }

            Assert.Equal(RingStatus.Ok, status);
            Assert.Equal(expected, completion.Ticket);
            Assert.Equal(expected++, BitConverter.ToUInt32(scratch));
        }

        worker.Reader.PublishHead();

        // It answers first, and tells what it has read before it sleeps.
        Assert.True(SpinWait.SpinUntil(() => worker.Writer.IsDrained, TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public void A_killed_worker_leaves_only_valid_slots()
    {
        for (int round = 0; round < 20; round++)
        {
            using var worker = new WorkerProcess(Small);
            byte[] scratch = new byte[ChannelLayout.MaxChunkBytes];
            uint ticket = 1;
            byte[] input = Pattern(1500);

            // Kept busy in both directions without waiting for anything, then killed wherever it is.
            for (int turn = 0; turn < 2000 + (round * 97); turn++)
            {
                if (worker.Writer.TryWrite(ticket, WorkerProcess.Echo, ChannelLayout.KindCall, input) == RingStatus.Ok)
                {
                    ticket++;
                }

                worker.Writer.Publish();
                Assert.NotEqual(RingStatus.Corrupt, worker.Reader.TryRead(scratch, out _));
            }

            worker.Process.Kill();
            worker.Process.WaitForExit();
            RingStatus status;
            do
            {
                status = worker.Reader.TryRead(scratch, out Completion completion);
                Assert.True(status != RingStatus.Ok || completion.Length == input.Length);
            }
            while (status == RingStatus.Ok);

            Assert.Equal(RingStatus.Empty, status);
            Assert.False(worker.Writer.IsCorrupt);
        }
    }

    [Fact]
    [Trait("Promise", "IM1")]
    public void Small_calls_allocate_nothing()
    {
        using var worker = new WorkerProcess(new ChannelGeometry());
        byte[] scratch = new byte[ChannelLayout.MaxChunkBytes];
        byte[] input = new byte[48];
        Spin(worker, scratch, input, 20_000);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Spin(worker, scratch, input, 20_000);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static void Spin(WorkerProcess worker, byte[] scratch, byte[] input, int calls)
    {
        for (int i = 0; i < calls; i++)
        {
            worker.Writer.TryWrite((uint)i, WorkerProcess.Echo, ChannelLayout.KindCall, input);
            worker.Writer.Publish();
            while (worker.Reader.TryRead(scratch, out _) != RingStatus.Ok)
            {
                worker.WaitForDoorbell();
            }
        }
    }

    private static byte[] Pattern(int length)
    {
        byte[] bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        return bytes;
    }

    private static string Error(WorkerProcess worker, ushort function, string input)
    {
        (byte kind, byte[] payload) = worker.Call(77, function, Encoding.UTF8.GetBytes(input));
        Assert.Equal(ChannelLayout.KindError, kind);
        return Encoding.UTF8.GetString(payload);
    }

    private static string Joined(List<(byte Stream, string Text)> log, byte stream) =>
        string.Concat(log.Where(entry => entry.Stream == stream).Select(entry => entry.Text));
}
