namespace Wayang.Fast.Perf.Harness;

/// <summary>Which way is good.</summary>
public enum Better
{
    Lower,
    Higher,
}

/// <summary>One figure: a median over <paramref name="Runs"/> rounds, beside the limit of the same rounds if it has one.</summary>
/// <param name="Name">As in the table of promises, e.g. "dispatch.spin.rtt".</param>
/// <param name="Value">What this product did.</param>
/// <param name="Unit">Of value and limit.</param>
/// <param name="Limit">What the machine, or the reference program, did at the same time.</param>
/// <param name="Ratio">Value over limit.</param>
/// <param name="Better">Which way is good.</param>
/// <param name="Runs">Rounds that the medians are made of.</param>
public sealed record Measurement(string Name, double Value, string Unit, double? Limit, double? Ratio, Better Better, int Runs)
{
    public static Measurement Of(string name, string unit, Better better, Rounds rounds) =>
        new(name, rounds.Value, unit, rounds.Limit, rounds.Ratio, better, rounds.Count);

    public static Measurement ValueOnly(string name, string unit, Better better, double value, int runs) =>
        new(name, value, unit, Limit: null, Ratio: null, better, runs);

    public static Measurement LimitOnly(string name, string unit, Better better, double limit, int runs) =>
        new(name + ".limit", limit, unit, Limit: null, Ratio: null, better, runs);
}
