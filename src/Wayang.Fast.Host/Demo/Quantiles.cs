namespace Wayang.Fast.Host.Demo;

/// <summary>Collects durations of one kind of task; exact quantiles, since a demo has few enough of them.</summary>
internal sealed class Quantiles
{
    private readonly List<long> values = [];

    public int Count => values.Count;

    public void Add(long microseconds) => values.Add(microseconds);

    /// <summary>The value that <paramref name="share"/> of all do not exceed; 0 when there is none.</summary>
    public long At(double share)
    {
        if (values.Count == 0)
        {
            return 0;
        }

        values.Sort();
        return values[Math.Clamp((int)Math.Ceiling(share * values.Count) - 1, 0, values.Count - 1)];
    }
}
