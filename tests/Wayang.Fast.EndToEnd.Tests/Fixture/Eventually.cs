using System.Diagnostics;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Fixture;

/// <summary>Waits for what another process does, by looking; the test fails when it was not seen in time.</summary>
internal static class Eventually
{
    /// <summary>Generous: machines that run tests are busy.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);

    /// <summary>What one look may cost of the patience: a machine that stood still meanwhile did not give the other process its time either.</summary>
    private static readonly TimeSpan MostOfALook = TimeSpan.FromSeconds(2);

    public static Task TrueAsync(string what, Func<bool> probe) =>
        ValueAsync(what, () => Task.FromResult(probe() ? "" : null));

    /// <summary>Empty at last; else the failure lists what remained.</summary>
    public static async Task EmptyAsync(string what, Func<IReadOnlyList<string>> probe)
    {
        IReadOnlyList<string> left = [];
        await UntilAsync(() => Task.FromResult((left = probe()).Count == 0), () => $"{what}:{Environment.NewLine}{string.Join(Environment.NewLine, left)}");
    }

    public static async Task<T> ValueAsync<T>(string what, Func<Task<T?>> probe)
        where T : class
    {
        T? found = null;
        await UntilAsync(async () => (found = await probe()) is not null, () => what);
        return found!;
    }

    private static async Task UntilAsync(Func<Task<bool>> probe, Func<string> describe)
    {
        var waited = TimeSpan.Zero;
        var look = Stopwatch.GetTimestamp();
        while (!await probe())
        {
            if (waited > Patience)
            {
                Assert.Fail($"not within {Patience.TotalSeconds} s: {describe()}");
            }

            await Task.Delay(Pause);
            var took = Stopwatch.GetElapsedTime(look);
            look = Stopwatch.GetTimestamp();
            waited += took < MostOfALook ? took : MostOfALook;
        }
    }
}
