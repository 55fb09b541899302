using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Wayang.Fast.Perf.Soak;

/// <summary>A garbage collection of the daemon, as its log tells it.</summary>
/// <param name="Index">Of the process's.</param>
/// <param name="Generation">Up to which it collected.</param>
/// <param name="How">Blocking or concurrent.</param>
/// <param name="LongestPauseMs">Of its pauses.</param>
/// <param name="PromotedBytes">That lived.</param>
/// <param name="Told">When it was told (timestamp), which is within milliseconds of its end.</param>
/// <param name="Line">What was told.</param>
internal sealed record Collection(long Index, int Generation, string How, double LongestPauseMs, long PromotedBytes, long Told, string Line);

/// <summary>Reads the daemon's log: keeps what it says of collections, passes the rest on. Lines may come on any thread.</summary>
internal sealed partial class SoakCollections(TextWriter rest)
{
    private const int Shown = 60;

    private readonly Lock _gate = new();
    private readonly List<Collection> _seen = [];
    private readonly List<string> _phases = [];

    /// <summary>Those under load: between two timestamps.</summary>
    public IReadOnlyList<Collection> Between(long from, long to) => [.. Seen().Where(c => c.Told >= from && c.Told <= to)];

    public void Read(string? line)
    {
        if (line is null)
        {
            return;
        }

        if (Phases().Match(line) is { Success: true } phases)
        {
            lock (_gate)
            {
                _phases.Add(phases.Value);
            }

            return;
        }

        if (Pattern().Match(line) is not { Success: true } match)
        {
            rest.WriteLine(line);
            return;
        }

        var longest = match.Groups["pauses"].Value.Split(" + ", StringSplitOptions.RemoveEmptyEntries)
            .Select(static p => double.Parse(p, CultureInfo.InvariantCulture)).DefaultIfEmpty().Max();
        var collection = new Collection(
            Number(match, "index"), (int)Number(match, "generation"), match.Groups["how"].Value, longest, Number(match, "promoted"), Stopwatch.GetTimestamp(), match.Groups["said"].Value);
        lock (_gate)
        {
            _seen.Add(collection);
        }
    }

    /// <summary>Each one; of very many those with the longest pauses.</summary>
    /// <param name="to">Where.</param>
    /// <param name="from">Timestamp at which the load began.</param>
    public void Tell(TextWriter to, long from)
    {
        var seen = Seen();
        var shown = seen.OrderByDescending(static c => c.LongestPauseMs).Take(Shown).OrderBy(static c => c.Index).ToList();
        to.WriteLine(string.Create(CultureInfo.InvariantCulture, $"garbage collections: {seen.Count}{(shown.Count < seen.Count ? $", the {Shown} longest:" : string.Empty)}"));
        shown.ForEach(collection => to.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  at {(collection.Told - from) / (double)Stopwatch.Frequency,7:F2} s: {collection.Line}")));
        lock (_gate)
        {
            _phases.TakeLast(Shown).ToList().ForEach(phases => to.WriteLine($"  {phases}"));
        }

        foreach (var generation in seen.GroupBy(static c => c.Generation).OrderBy(static g => g.Key))
        {
            to.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"  generation {generation.Key}: {generation.Count()}, longest pause {generation.Max(static c => c.LongestPauseMs):F2} ms, most promoted {generation.Max(static c => c.PromotedBytes):#,0} bytes"));
        }
    }

    private static long Number(Match match, string group) => long.Parse(match.Groups[group].Value, CultureInfo.InvariantCulture);

    private List<Collection> Seen()
    {
        lock (_gate)
        {
            return [.. _seen];
        }
    }

    [GeneratedRegex(
        @"(?<said>collection (?<index>\d+): generation (?<generation>\d), (?<how>[a-z, ]+), paused (?<pauses>[\d. +]*) ms, promoted (?<promoted>\d+) bytes.*)$",
        RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Pattern();

    [GeneratedRegex(@"pause: [\d.]+ ms to stop the threads, .*$", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Phases();
}
