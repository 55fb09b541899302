using System.Diagnostics;
using System.Globalization;
using Wayang.Fast.Contracts.Tasks;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Peers;

/// <summary>Calls are moved to and fro between two nodes at random instants: each answer is that of the call that was left alone. Ten seconds of it for each kind, 10,000 moves each with WAYANG_TEST_LONG=1.</summary>
[Collection("runtimes")]
[Trait("Promise", "PS2")]
[Trait("Promise", "PS4")]
public sealed class PingPongTests(ITestOutputHelper output)
{
    private const int Bound = 36_000_000;

    private static readonly bool s_long = Environment.GetEnvironmentVariable("WAYANG_TEST_LONG") == "1";

    [Theory(Timeout = Bound)]
    [InlineData("chains", "chain", 100_000_000)]
    [InlineData("chains", "drift", 60_000_000)]
    [InlineData("jobs", "bigint", 200_000)]
    public async Task Whatever_is_moved_to_and_fro_answers_as_if_it_had_been_left_alone(string image, string function, long rounds)
    {
        await using var nodes = await MovingNodes.StartAsync(leaseMs: 10_000);
        if (image == "jobs")
        {
            await nodes.PutJobsAsync();
        }

        await using var client = await nodes.ConnectAsync();
        var wanted = Convert.ToHexString((await client.WaitAsync(await MovingNodes.BeginAsync(client, function, rounds, image: image))).Output.Span);
        var seed = Environment.TickCount;
        var random = new Random(seed);
        var (moves, calls, pauses) = (0, 0, new List<double>());
        var begun = Stopwatch.StartNew();
        while (s_long ? moves < 10_000 : begun.Elapsed < TimeSpan.FromSeconds(10) || moves == 0)
        {
            var id = await MovingNodes.BeginAsync(client, function, rounds, image: image);
            string? to = MovingNodes.Host;
            while (await MovingNodes.MoveAsync(client, id, to) is { } moved)
            {
                moves++;
                pauses.Add(moved.Pause.TotalMilliseconds);
                to = to is null ? MovingNodes.Host : null;
                await Task.Delay(random.Next(20)); // when it is moved is the test's input
            }

            var result = await client.WaitAsync(id);
            Assert.True(
                result.State == TaskState.Succeeded && Convert.ToHexString(result.Output.Span) == wanted,
                string.Create(CultureInfo.InvariantCulture, $"seed {seed}, call {calls}, move {moves}: {result.State} {result.Cause}"));
            calls++;
        }

        pauses.Sort();
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{image}/{function}: {moves} moves of {calls} calls, all right; it stood still {pauses[pauses.Count / 2]:0.0} ms in the middle, {pauses[(int)(pauses.Count * 0.99)]:0.0} ms at 99 %"));
    }
}
