using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Execution.Tests;

/// <summary>What tenants 1, 2, ... had of the node's slots since it was made, beside what their weights say.</summary>
internal sealed class SlotShares
{
    private readonly INodeMonitor _monitor;
    private readonly int[] _weights;
    private readonly double[] _before;

    public SlotShares(INodeMonitor monitor, params int[] weights)
    {
        (_monitor, _weights) = (monitor, weights);
        _before = Read();
    }

    /// <summary>Seconds that all had together.</summary>
    public double Total => Had().Sum();

    /// <summary>Of the tenant that is farthest from its part: by how much of that part.</summary>
    public double WorstDeviation()
    {
        var had = Had();
        return had.Zip(_weights, (h, w) => Math.Abs((h / had.Sum() * _weights.Sum() / w) - 1)).Max();
    }

    public override string ToString() => FormattableString.Invariant($"slot seconds {string.Join(" : ", Had().Select(static h => FormattableString.Invariant($"{h:F2}")))} for weights {string.Join(':', _weights)}");

    private double[] Had() => [.. Read().Zip(_before, static (a, b) => a - b)];

    private double[] Read() => [.. Enumerable.Range(1, _weights.Length).Select(id => _monitor.ListTenants(id)[0].SlotTime.TotalSeconds)];
}
