using System.Diagnostics;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Commands;

/// <content>
/// What commands write. While one runs, its streams are looked at as <see cref="LookSchedule"/> says; when its process has ended, they are read to
/// their end at once: nobody is left to write. What is left in out/ is sent by our init behind the end, bounded, and not put off.
/// </content>
internal sealed partial class CommandRunner
{
    private const int ReadsPerEvent = 8;

    private readonly LookSchedule _looks = new(Stopwatch.Frequency);
    private readonly byte[] _buffer = new byte[65536];

    /// <summary>Reads of the streams of commands so far. One writer; any reader.</summary>
    public long Reads { get; private set; }

    /// <summary>Timestamp at which <see cref="LookAtDue"/> has something to do.</summary>
    public long NextLook => _looks.NextDue;

    /// <summary>Looks at the streams whose time has come.</summary>
    public void LookAtDue()
    {
        if (_looks.NextDue == long.MaxValue)
        {
            return;
        }

        var now = Stopwatch.GetTimestamp();
        while (_looks.TryTakeDue(now, out var token, out var due))
        {
            var stream = (CommandStream)(token & 3);
            if (!_runs.TryGetValue(token >> 2, out var run) || run.DueOf(stream) != due)
            {
                continue; // over, or watched again since
            }

            var count = ReadOnce(run, stream);
            if (run[stream] < 0)
            {
                FinishWhenOver(run);
            }
            else if (count > 0 || run.Exit is not null || !_looks.MayWatch(now) || !run.TryWatch(stream, poller))
            {
                run.Defer(stream, _looks.Defer(token, now, count));
            }
        }
    }

    /// <summary>Something is there, or the end.</summary>
    private void ReadOutput(CommandRun run, CommandStream stream)
    {
        for (var i = 0; i < ReadsPerEvent; i++)
        {
            if (run.Exit is null && stream != CommandStream.Artifacts)
            {
                var now = Stopwatch.GetTimestamp();
                if (!_looks.TryLookNow(ref run.Prompt, now))
                {
                    run.Unwatch(stream, poller);
                    run.Defer(stream, _looks.Defer(CommandRun.Token(run.Id, stream), now, i == 0 ? 0 : _buffer.Length));
                    return;
                }
            }

            if (ReadOnce(run, stream) < _buffer.Length)
            {
                return;
            }
        }
    }

    /// <summary>What was put off is watched from now on: it has its end, and perhaps something before that.</summary>
    private void WatchOutputs(CommandRun run)
    {
        for (var stream = CommandStream.Stdout; stream <= CommandStream.Stderr; stream++)
        {
            if (run.DueOf(stream) != 0)
            {
                run.TryWatch(stream, poller); // where the poller takes no more, it stays put off and is read so
            }
        }
    }

    /// <returns>Bytes; 0: the stream ended and is closed, or there is nothing now.</returns>
    private int ReadOnce(CommandRun run, CommandStream stream)
    {
        var count = Descriptors.Read(run[stream], _buffer);
        Reads++;
        if (count == 0)
        {
            run.Close(stream, poller);
        }

        if (count <= 0)
        {
            return 0;
        }

        var text = _buffer.AsSpan(0, count);
        if (stream == CommandStream.Stdout)
        {
            run.Record.Stdout.AppendBounded(text, options.Current.MaxStreamBytes);
            lifecycle.Appended(run.Record, OutputStream.Stdout);
        }
        else if (stream == CommandStream.Artifacts)
        {
            run.Artifacts?.Feed(text);
        }
        else
        {
            run.Record.Stderr.AppendBounded(text, options.Current.MaxStreamBytes);
            lifecycle.Appended(run.Record, OutputStream.Stderr);
        }

        return count;
    }
}
