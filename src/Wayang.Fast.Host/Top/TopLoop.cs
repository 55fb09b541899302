using System.Threading.Channels;
using Wayang.Fast.Client;

namespace Wayang.Fast.Host.Top;

/// <summary>Asks, draws, listens to the keys, until somebody wants to leave.</summary>
internal sealed class TopLoop(WayangClient client, TimeSpan interval)
{
    private readonly Channel<ConsoleKeyInfo?> _events = Channel.CreateUnbounded<ConsoleKeyInfo?>();
    private TopSample? _now;
    private TopSample? _before;
    private string? _trouble;
    private TopOrder _order;
    private bool _reverse;

    public async Task RunAsync(CancellationToken cancellation)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using var screen = new TerminalScreen(() => _events.Writer.TryWrite(null), end.Cancel);
        var keys = new Thread(ReadKeys) { IsBackground = true, Name = "wayang-keys" };
        keys.Start();
        try
        {
            var next = Task.CompletedTask;
            while (true)
            {
                var woken = _events.Reader.WaitToReadAsync(end.Token).AsTask();
                if (await Task.WhenAny(woken, next) == next)
                {
                    await AskAsync(end.Token);
                    next = Task.Delay(interval, end.Token);
                }

                while (_events.Reader.TryRead(out var key))
                {
                    if (key is { } pressed && !Take(pressed))
                    {
                        return;
                    }
                }

                end.Token.ThrowIfCancellationRequested();
                Draw(screen);
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            // A signal asked for the end; the screen was left then.
        }
    }

    private async Task AskAsync(CancellationToken cancellation)
    {
        try
        {
            var sample = await TopSample.TakeAsync(client, cancellation);
            _before = _now;
            _now = sample;
            _trouble = null;
        }
        catch (WayangException lost)
        {
            // The node may be back in a moment: it is asked again at the next refresh.
            _trouble = lost.Message;
        }
    }

    /// <returns>False to leave.</returns>
    private bool Take(ConsoleKeyInfo key)
    {
        switch (key.KeyChar)
        {
            case 'q' or 'Q' or '\u0003':
                return false;
            case 's' or 'S':
                _order = (TopOrder)(((int)_order + 1) % Enum.GetValues<TopOrder>().Length);
                break;
            case 'r' or 'R':
                _reverse = !_reverse;
                break;
            default:
                break;
        }

        return true;
    }

    private void Draw(TerminalScreen screen)
    {
        const string Keys = "q quit  s sort tasks  r reverse";
        var (width, height) = TerminalScreen.Size;
        List<string> lines = _now is null ? ["waiting for the node ..."] : TopView.Draw(_now, _before, _order, _reverse, width, height - 1);
        while (lines.Count < height - 1)
        {
            lines.Add(string.Empty);
        }

        var last = _trouble is null ? Keys : $"NO ANSWER: {_trouble}  (q quit)";
        lines.Add(last.Length <= width ? last : last[..width]);
        screen.Draw(lines, height);
    }

    private void ReadKeys()
    {
        try
        {
            while (true)
            {
                _events.Writer.TryWrite(Console.ReadKey(intercept: true));
            }
        }
        catch (InvalidOperationException)
        {
            // There is no keyboard (any more): signals still end the program.
        }
    }
}
