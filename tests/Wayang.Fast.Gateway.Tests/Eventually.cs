using Xunit;

namespace Wayang.Fast.Gateway.Tests;

/// <summary>Waits for what a server comes to by itself, and says what it was that never came.</summary>
internal static class Eventually
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    public static Task TrueAsync(string what, Func<bool> isSo) => TrueAsync(what, () => Task.FromResult(isSo()));

    public static async Task TrueAsync(string what, Func<Task<bool>> isSo)
    {
        for (var until = Environment.TickCount64 + (long)s_patience.TotalMilliseconds; !await isSo(); await Task.Delay(1))
        {
            Assert.True(Environment.TickCount64 < until, $"never: {what}");
        }
    }
}
