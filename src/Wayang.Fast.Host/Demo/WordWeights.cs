using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Wayang.Fast.Host.Demo;

/// <summary>The demo's Python work: what goes in, and by which independent computation the answer is checked.</summary>
internal static class WordWeights
{
    // Two libraries' logarithms may differ in the last bit.
    private const double Tolerance = 1e-9;

    /// <summary>Reads what the C plugin's <c>top</c> answers: "COUNT WORD" a line.</summary>
    public static Dictionary<string, long> Parse(ReadOnlySpan<byte> answer)
    {
        var counts = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var line in Encoding.Latin1.GetString(answer).Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            var space = line.IndexOf(' ', StringComparison.Ordinal);
            counts[line[(space + 1)..]] = long.Parse(line.AsSpan(0, space), NumberStyles.None, CultureInfo.InvariantCulture);
        }

        return counts;
    }

    /// <summary>In how many files each word stands.</summary>
    public static Dictionary<string, long> DocumentsWith(IEnumerable<Dictionary<string, long>> files) =>
        files.SelectMany(static counts => counts.Keys).GroupBy(static word => word, StringComparer.Ordinal)
            .ToDictionary(static group => group.Key, static group => group.LongCount(), StringComparer.Ordinal);

    /// <summary>The input of <c>tfidf.py:keywords</c>.</summary>
    public static byte[] Input(Dictionary<string, long> counts, Dictionary<string, long> documentsWith, int documents)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream))
        {
            writer.WriteStartObject();
            WriteMap(writer, "counts", counts);
            WriteMap(writer, "documents_with", counts.Keys.Select(word => KeyValuePair.Create(word, documentsWith[word])));
            writer.WriteNumber("documents", documents);
            writer.WriteEndObject();
        }

        return stream.ToArray();
    }

    /// <summary>Every word once with its weight, the heaviest first.</summary>
    public static bool IsRight(ReadOnlySpan<byte> answer, Dictionary<string, long> counts, Dictionary<string, long> documentsWith, int documents)
    {
        List<(string Word, double Weight)> given;
        try
        {
            using var parsed = JsonDocument.Parse(answer.ToArray());
            given = [.. parsed.RootElement.EnumerateArray().Select(static pair => (pair[0].GetString()!, pair[1].GetDouble()))];
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or IndexOutOfRangeException)
        {
            return false;
        }

        var total = counts.Values.Sum();
        return given.Count == counts.Count
            && given.Select(static pair => pair.Word).Distinct(StringComparer.Ordinal).Count() == given.Count
            && given.Zip(given.Skip(1)).All(static next => next.First.Weight >= next.Second.Weight)
            && given.All(pair => counts.TryGetValue(pair.Word, out var count)
                && Math.Abs(pair.Weight - ((double)count / total * Math.Log((double)documents / documentsWith[pair.Word]))) < Tolerance);
    }

    private static void WriteMap(Utf8JsonWriter writer, string name, IEnumerable<KeyValuePair<string, long>> values)
    {
        writer.WriteStartObject(name);
        foreach (var (key, value) in values)
        {
            writer.WriteNumber(key, value);
        }

        writer.WriteEndObject();
    }
}
