using System.Globalization;
using System.Runtime.Versioning;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Operations;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Kill;

/// <summary>
/// The daemon is killed at random moments under durable load: each task that was acknowledged has one end, and what was told of it stays true; the stream of events has
/// no hole, and tells each end once.
/// </summary>
[Collection("runtimes")]
[SupportedOSPlatform("linux")]
[Trait("Promise", "TR4")]
[Trait("Promise", "COM2")]
public sealed class DurableKillTests : DaemonKillTest
{
    private const int Bound = 7_200_000;
    private static readonly int s_rounds = Environment.GetEnvironmentVariable("WAYANG_TEST_LONG") == "1" ? 200 : 10;

    private readonly DurableWitness _witness = new();

    [Fact(Timeout = Bound)]
    public async Task Each_acknowledged_task_has_one_end_however_often_the_daemon_is_killed()
    {
        await GiveStateToDaemonAsync();
        Configure(string.Create(CultureInfo.InvariantCulture, $"http_port: 0\nstate:\n  directory: {State}\n"));
        var seed = Environment.TickCount;
        var random = new Random(seed);
        var lost = 0;
        try
        {
            for (var done = 0; done < s_rounds;)
            {
                // A keeper starts a daemon again a few times a minute at most: so many rounds each.
                await using var serve = await StartAsync();
                for (var i = 0; i < 4 && done < s_rounds; i++, done++)
                {
                    await KillUnderLoadAsync(serve, clients: 8, TimeSpan.FromMilliseconds(random.Next(1_000)), CallAsync);
                    await using var client = await ConnectAsync(serve);
                    lost = await _witness.CheckAsync(client); // of all that were acknowledged so far
                }

                await EndAsync(serve);
            }
        }
        catch (Exception failure)
        {
            throw new InvalidOperationException($"seed {seed}: {failure.Message}", failure);
        }

        Assert.True(_witness.Acknowledged >= s_rounds, $"{_witness.Acknowledged} tasks were acknowledged in {s_rounds} rounds");
        Assert.InRange(lost, 0, _witness.Acknowledged - 1);
        Directory.Delete(State, recursive: true);
    }

    /// <summary>Of three, one fails and one takes a while; remembers what it was told.</summary>
    private async Task CallAsync(WayangClient client, int which)
    {
        for (var i = 0; i < 3; i++)
        {
            var spec = TaskSpec.Command("/bin/sh", "-c", i switch { 0 => "exit 0", 1 => "sleep 0.05", _ => "exit 7" }) with
            {
                Durable = true, Retry = which == 0 ? new RetrySpec(3) { Backoff = TimeSpan.FromMilliseconds(10) } : null,
            };
            var id = await client.SubmitAsync(spec, TestContext.Current.CancellationToken);
            _witness.Acknowledge(id);
            if (i % 2 == 0)
            {
                _witness.Tell(id, (await client.WaitAsync(id, cancellation: TestContext.Current.CancellationToken)).State);
            }
        }
    }
}
