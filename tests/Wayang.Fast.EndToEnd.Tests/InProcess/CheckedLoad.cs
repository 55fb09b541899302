using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.EndToEnd.Tests.InProcess;

/// <summary>
/// Ordinary calls of a tenant, two in flight, of sizes that go inline, through the arena and in chunks; every byte of every
/// answer is compared. Runs beside what a test does, until it is stopped.
/// </summary>
internal sealed class CheckedLoad
{
    private static readonly int[] Sizes = [0, 1, 48, 49, 4096, 70_000, 300_000];

    private readonly LiveNode _node;
    private readonly CallTarget _echo;
    private readonly Task _work;
    private volatile bool _stop;
    private long _checked;
    private string? _wrong;

    private CheckedLoad(LiveNode node, CallTarget echo)
    {
        _node = node;
        _echo = echo;
        _work = Task.WhenAll(Task.Run(() => WorkAsync(1)), Task.Run(() => WorkAsync(2)));
    }

    public long Checked => Interlocked.Read(ref _checked);

    public static async Task<CheckedLoad> StartAsync(LiveNode node, int tenant)
    {
        await node.PutAsync("good", Plugins.Good, tenant);
        return new CheckedLoad(node, await node.FunctionAsync("good", "echo", tenant));
    }

    /// <returns>Calls whose answers were right.</returns>
    public async Task<long> StopAsync()
    {
        _stop = true;
        await _work;
        Xunit.Assert.Null(_wrong);
        return Checked;
    }

    private async Task WorkAsync(int seed)
    {
        var random = new Random(seed);
        while (!_stop && _wrong is null)
        {
            var data = new byte[Sizes[random.Next(Sizes.Length)]];
            random.NextBytes(data);
            var end = await _node.CallAsync(_echo, data);
            if (end.State != TaskState.Succeeded || !end.Output.AsSpan().SequenceEqual(data))
            {
                _wrong = $"{data.Length} bytes: {end}";
            }

            Interlocked.Increment(ref _checked);
        }
    }
}
