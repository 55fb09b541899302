using System.Diagnostics;

namespace Wayang.Fast.Perf.Interference;

/// <summary>What became of the asking so far.</summary>
internal sealed record ReadinessTally(int Answers, int Failures, double WorstMs);

/// <summary>Asks /readyz twenty times a second.</summary>
internal sealed class ReadinessProbe : IAsyncDisposable
{
    private static readonly TimeSpan s_interval = TimeSpan.FromMilliseconds(50);

    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(2) };
    private readonly CancellationTokenSource _over = new();
    private readonly Lock _gate = new();
    private readonly TaskCompletionSource _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Uri _place;
    private readonly Task _asking;
    private ReadinessTally _tally = new(0, 0, 0);

    public ReadinessProbe(int port)
    {
        _place = new Uri($"http://127.0.0.1:{port}/readyz");
        _asking = Task.Run(AskAsync);
    }

    /// <summary>Ends when the node was ready for the first time: until then it starts, and what it says is no failure.</summary>
    public Task Ready => _first.Task;

    /// <summary>Since the last time.</summary>
    public ReadinessTally TakeAndRestart()
    {
        lock (_gate)
        {
            var taken = _tally;
            _tally = new ReadinessTally(0, 0, 0);
            return taken;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        await _asking;
        _http.Dispose();
        _over.Dispose();
    }

    private async Task AskAsync()
    {
        while (!_over.IsCancellationRequested)
        {
            var start = Stopwatch.GetTimestamp();
            var ready = await IsReadyAsync();
            var took = Stopwatch.GetElapsedTime(start);
            if (ready)
            {
                _first.TrySetResult();
            }

            lock (_gate)
            {
                _tally = new ReadinessTally(
                    _tally.Answers + (ready ? 1 : 0), _tally.Failures + (ready ? 0 : 1), Math.Max(_tally.WorstMs, took.TotalMilliseconds));
            }

            if (took < s_interval)
            {
                await Task.Delay(s_interval - took);
            }
        }
    }

    private async Task<bool> IsReadyAsync()
    {
        try
        {
            using var answer = await _http.GetAsync(_place);
            return answer.IsSuccessStatusCode;
        }
        catch (Exception failure) when (failure is HttpRequestException or OperationCanceledException)
        {
            return false;
        }
    }
}
