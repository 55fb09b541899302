namespace Wayang.Fast.Host.Configuration;

/// <summary>Finds what a person probably meant.</summary>
public static class NearestWord
{
    private const int LongestWord = 64;

    /// <summary>
    /// The candidate with the smallest edit distance, or null when none is near (over a third of the word's length).
    /// </summary>
    public static string? Find(string word, IEnumerable<string> candidates)
    {
        if (word.Length is 0 or > LongestWord)
        {
            return null;
        }

        string? best = null;
        var bestDistance = Math.Max(1, word.Length / 3) + 1;
        foreach (var candidate in candidates)
        {
            var distance = candidate.Length > LongestWord ? int.MaxValue : Distance(word, candidate);
            if (distance < bestDistance)
            {
                best = candidate;
                bestDistance = distance;
            }
        }

        return best;
    }

    // Insertions, deletions, replacements and swaps of neighbours (the commonest slip of fingers) count one each.
    private static int Distance(string a, string b)
    {
        Span<int> beforeLast = stackalloc int[b.Length + 1];
        Span<int> last = stackalloc int[b.Length + 1];
        Span<int> current = stackalloc int[b.Length + 1];
        for (var j = 0; j <= b.Length; j++)
        {
            last[j] = j;
        }

        for (var i = 1; i <= a.Length; i++)
        {
            current[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var replace = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
                current[j] = Math.Min(replace, Math.Min(last[j], current[j - 1]) + 1);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                {
                    current[j] = Math.Min(current[j], beforeLast[j - 2] + 1);
                }
            }

            last.CopyTo(beforeLast);
            current.CopyTo(last);
        }

        return last[b.Length];
    }
}
