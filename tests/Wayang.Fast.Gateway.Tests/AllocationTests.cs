using Xunit;

namespace Wayang.Fast.Gateway.Tests;

/// <summary>Bytes are counted of the whole process: nothing else runs beside.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;

[Collection(nameof(Alone))]
public sealed class AllocationTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("echo")]
    [InlineData("echo_later")]
    [Trait("Promise", "PO3")]
    public async Task Small_calls_allocate_nothing(string function)
    {
        await using var fixture = new ServerFixture();
        using var socket = fixture.Open();
        const int Batch = 64;
        var requests = new List<byte>();
        for (uint i = 0; i < Batch; i++)
        {
            requests.AddRange(ServerFixture.RunFrame(1000 + i, function, new byte[48]));
        }

        var bytes = requests.ToArray();
        var answers = new byte[Batch * ServerFixture.ReadFrameLength(socket, ServerFixture.RunFrame(1000, function, new byte[48]))];
        void Round()
        {
            socket.Send(bytes);
            for (var got = 0; got < answers.Length;)
            {
                got += socket.Receive(answers.AsSpan(got));
            }
        }

        for (var i = 0; i < 2000; i++)
        {
            Round();
        }

        // The whole process: the server's threads, the service's and this one, and now and then the runtime's own; so the least counts.
        var least = long.MaxValue;
        for (var attempt = 0; attempt < 20 && least > 0; attempt++)
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            for (var i = 0; i < 200; i++)
            {
                Round();
            }

            least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
        }

        output.WriteLine($"{least} bytes for {200 * Batch} calls");

        // Measuring itself may cost an object or two; a byte per call would be 12,800.
        Assert.InRange(least, 0, 2048);
    }
}
