using System.Runtime.InteropServices;

namespace Wayang.Fast.Core.Scheduling;

/// <summary>What a tenant may have of the node's slots.</summary>
/// <param name="Weight">Its part of them beside the other tenants of its class, <see cref="MinWeight"/> to <see cref="MaxWeight"/>: twice the weight, twice the slot time.</param>
/// <param name="MaxRunning">Tasks that have left at once; 0: no bound of its own. More wait, and keep nobody else from running.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct TenantShare(int Weight, int MaxRunning = 0)
{
    public const int MinWeight = 1;
    public const int MaxWeight = 1000;
    public const int DefaultWeight = 100;

    /// <summary>What a tenant has of whom nothing is said.</summary>
    public static TenantShare Default => new(DefaultWeight);
}
