namespace Wayang.Fast.Execution.Commands;

/// <summary>
/// When the streams of commands are looked at. The supervisor goes before all tasks on the processors: a command that writes byte by byte would have it
/// woken for each, and one that writes without end would keep it reading. So a command has a burst of looks at once when there is something
/// (<see cref="PromptBurst"/>, filled up at <see cref="PromptPerSecond"/>; all commands together <see cref="NodeBurst"/> and <see cref="NodePerSecond"/>).
/// Behind that its streams are not watched but looked at in intervals, a longer one where the last look brought little, until one brings
/// nothing; meanwhile the pipe holds what is written, and a writer waits when it is full. Intervals end on multiples of a millisecond, so that one
/// waking serves all that are due, and one serves <see cref="LooksPerTurn"/> at most. Pure: the time is said to it.
/// </summary>
/// <param name="frequency">Ticks of the timestamps in a second.</param>
internal sealed class LookSchedule(long frequency)
{
    /// <summary>Looks at once that a command has when it begins, or after it was quiet.</summary>
    public const int PromptBurst = 32;
    public const int PromptPerSecond = 100;

    /// <summary>The same of all commands together.</summary>
    public const int NodeBurst = 128;
    public const int NodePerSecond = 1000;

    /// <summary>Looks between two steps of the clock: more wait for the next step.</summary>
    public const int LooksPerTurn = 8;

    /// <summary>Bytes of a look after which the next one comes soon: a writer who fills the pipe waits for it.</summary>
    public const int ManyBytes = 32 << 10;

    private const int StepMilliseconds = 1;
    private const int QuietMilliseconds = 4;

    private readonly PriorityQueue<(ulong Token, long Due), long> _deferred = new();
    private readonly long _step = Math.Max(1, frequency * StepMilliseconds / 1000);
    private LookAllowance _node;
    private long _turnStep = -1;
    private int _turnLooks;

    /// <summary>Timestamp of the next look; <see cref="long.MaxValue"/>: none is put off.</summary>
    public long NextDue => !_deferred.TryPeek(out _, out var due) ? long.MaxValue : _turnLooks < LooksPerTurn ? due : Math.Max(due, (_turnStep + 1) * _step);

    /// <summary>Whether a stream whose pipe is empty may be watched again: not while all that may come at once did.</summary>
    public bool MayWatch(long now) => _node.Any(now, frequency / NodePerSecond, NodeBurst);

    /// <summary>A stream has something: takes one of its command's looks, and of the node's. False: it is to be put off.</summary>
    public bool TryLookNow(ref LookAllowance command, long now) =>
        MayWatch(now) && command.TryTake(now, frequency / PromptPerSecond, PromptBurst) && _node.TryTake(now, frequency / NodePerSecond, NodeBurst);

    /// <summary>Puts a stream off.</summary>
    /// <param name="token">Which.</param>
    /// <param name="now">The time.</param>
    /// <param name="bytes">What the last look brought.</param>
    /// <returns>When it is due, never 0: <see cref="TryTakeDue"/> says it again, and is to be believed only if no other was said meanwhile.</returns>
    public long Defer(ulong token, long now, int bytes)
    {
        var steps = bytes >= ManyBytes ? 1 : QuietMilliseconds / StepMilliseconds;
        var due = ((now / _step) + steps) * _step;
        _deferred.Enqueue((token, due), due);
        return due;
    }

    /// <summary>Takes a stream whose time has come; false: none, or this step of the clock has had its looks.</summary>
    public bool TryTakeDue(long now, out ulong token, out long due)
    {
        (token, due) = (0, 0);
        if (!_deferred.TryPeek(out var next, out var at) || at > now)
        {
            return false;
        }

        if (now / _step != _turnStep)
        {
            (_turnStep, _turnLooks) = (now / _step, 0);
        }

        if (_turnLooks == LooksPerTurn)
        {
            return false;
        }

        _turnLooks++;
        _deferred.Dequeue();
        (token, due) = next;
        return true;
    }
}
