using System.Diagnostics;
using System.Globalization;

namespace Wayang.Fast.Perf.Soak;

/// <summary>A process that was killed: when (timestamps), and what it was.</summary>
internal sealed record Kill(long Before, long After, Role Role, int Pid);

/// <summary>
/// kill -9 of processes of the runtime under test, never of its daemon or keeper, every few seconds, by a seed. The runtime gives an image up whose
/// zygote is lost over and over within a minute, and its keeper a spawner: their kills stay below those bounds.
/// </summary>
/// <param name="quick">A short run: kills follow each other faster.</param>
internal sealed class SoakKiller(SoakDaemon daemon, int seed, bool quick)
{
    // Each role has its turn early, also in a short run; then the dice decide.
    private static readonly Role[] s_first = [Role.Worker, Role.Zygote, Role.Spawner];
    private const int FirstZygotes = 3;
    private static readonly TimeSpan BetweenZygotes = TimeSpan.FromSeconds(70);
    private static readonly TimeSpan BetweenSpawners = TimeSpan.FromSeconds(25);

    private readonly Random _random = new(seed);
    private readonly List<Kill> _kills = [];
    private int _zygotes;
    private long _lastZygote;
    private long _lastSpawner;
    private int _turns;

    public IReadOnlyList<Kill> Kills
    {
        get
        {
            lock (_kills)
            {
                return [.. _kills];
            }
        }
    }

    public async Task RunAsync(CancellationToken cancellation)
    {
        try
        {
            while (true)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(quick ? _random.Next(500, 1500) : _random.Next(1000, 4000)), cancellation);
                KillOne();
            }
        }
        catch (OperationCanceledException)
        {
            // The load is over.
        }
    }

    private void KillOne()
    {
        var role = Choose();
        var candidates = ProcessTree.Below(daemon.Keeper).Where(p => p.Role == role).OrderBy(static p => p.Pid).ToList();
        if (candidates.Count == 0)
        {
            return;
        }

        var victim = candidates[_random.Next(candidates.Count)];
        var before = Stopwatch.GetTimestamp();
        try
        {
            using var process = Process.GetProcessById(victim.Pid);
            process.Kill();
        }
        catch (Exception gone) when (gone is ArgumentException or InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return; // it ended by itself meanwhile
        }

        lock (_kills)
        {
            _kills.Add(new Kill(before, Stopwatch.GetTimestamp(), role, victim.Pid));
        }
    }

    private Role Choose()
    {
        var first = _turns < s_first.Length ? s_first[_turns++] : Role.Other;
        var dice = first switch
        {
            Role.Spawner => 0,
            Role.Zygote => 1,
            Role.Worker => 9,
            _ => _random.Next(10),
        };
        if (dice == 0 && Stopwatch.GetElapsedTime(_lastSpawner) > BetweenSpawners)
        {
            _lastSpawner = Stopwatch.GetTimestamp();
            return Role.Spawner;
        }

        if (dice <= 2 && (_zygotes < FirstZygotes || Stopwatch.GetElapsedTime(_lastZygote) > BetweenZygotes))
        {
            _zygotes++;
            _lastZygote = Stopwatch.GetTimestamp();
            return Role.Zygote;
        }

        return Role.Worker;
    }

    public string Summary() => string.Join(", ", Kills.GroupBy(static k => k.Role).OrderBy(static g => g.Key)
        .Select(static g => string.Create(CultureInfo.InvariantCulture, $"{g.Count()} {g.Key.ToString().ToLowerInvariant()}s")));
}
