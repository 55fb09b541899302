using System.Collections.Concurrent;
using System.Globalization;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Perf.Interference;

/// <summary>The hostile tenant: some bombs at once, each begun again when it has ended, until it is told to stop.</summary>
internal sealed class Bombardment(WayangClient client, string plugin, ReadOnlyMemory<byte> program) : IAsyncDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private static int s_groups;

    private readonly CancellationTokenSource _over = new();
    private readonly ConcurrentDictionary<string, int> _ends = new(StringComparer.Ordinal);
    private Task _running = Task.CompletedTask;

    /// <summary>Tasks that have ended.</summary>
    public int Ended => _ends.Values.Sum();

    /// <summary>The typed causes, most frequent first.</summary>
    public string Ends => string.Join(", ", _ends.OrderByDescending(static e => e.Value).Select(static e => string.Create(CultureInfo.InvariantCulture, $"{e.Key} {e.Value}")));

    /// <param name="bombs">Which.</param>
    /// <param name="copies">Of each.</param>
    public void Start(IEnumerable<Bomb> bombs, int copies) =>
        _running = Task.WhenAll(bombs.SelectMany(bomb => Enumerable.Range(0, copies).Select(_ => Task.Run(() => GoOnAsync(bomb)))));

    /// <summary>No more are begun; returns when those that run have ended.</summary>
    public async Task StopAsync()
    {
        await _over.CancelAsync();
        await _running;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _over.Dispose();
    }

    private async Task GoOnAsync(Bomb bomb)
    {
        var group = string.Create(CultureInfo.InvariantCulture, $"bombs-{Interlocked.Increment(ref s_groups)}");
        while (!_over.IsCancellationRequested)
        {
            try
            {
                // Its output stays where it is: what a caller reads is his own affair.
                var id = await client.SubmitAsync(bomb.Task(program, plugin, group));
                await client.WaitGroupAsync(group, s_patience);
                var end = (await client.GetAsync(id)).Cause;
                var cause = end.Type is CauseType.Exit or CauseType.Signal
                    ? string.Create(CultureInfo.InvariantCulture, $"{WireNames.Text(end.Type)}({end.Value})") : WireNames.Text(end.Type);
                _ends.AddOrUpdate(cause, 1, static (_, count) => count + 1);
            }
            catch (WayangException refused) when (refused.Code is ErrorCode.ResourceExhausted or ErrorCode.Unavailable)
            {
                await Task.Delay(refused.RetryAfter ?? TimeSpan.FromMilliseconds(20));
            }
        }
    }
}
