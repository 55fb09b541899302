namespace Wayang.Fast.Perf.Report;

/// <summary>What a figure is held against: a target that must be met, a goal that would be excellent.</summary>
/// <param name="OfRatio">The ratio is compared; otherwise the value.</param>
public sealed record Target(double Bound, double Goal, bool OfRatio = true);

/// <summary>The promises, as numbers.</summary>
public static class Targets
{
    private static readonly Dictionary<string, Target> Table = new(StringComparer.Ordinal)
    {
        ["dispatch.blocked.rtt"] = new(1.5, 1.15),
        ["dispatch.spin.rtt"] = new(4, 2),
        ["dispatch.blocked.throughput"] = new(20, 40),
        ["dispatch.spin.throughput"] = new(0.15, 0.4),
        ["alloc.per_task"] = new(0, 0, OfRatio: false),
        ["scheduler.pair"] = new(0.35, 0.15),
        ["rpc.rtt"] = new(1.6, 1.25),
        ["rpc.tcp.rtt"] = new(1.6, 1.25),
        ["rpc.throughput"] = new(0.08, 0.3),
        ["grpc.unary"] = new(0.4, 0.7),
        ["rest.get"] = new(0.5, 0.8),
        ["spawn.worker"] = new(0.35, 0.12),
        ["exec.true"] = new(1.6, 1.2),
        ["limits.overhead"] = new(1.5, 1.25), // the first on cgroup v1, which takes a write for each controller; the second on v2
        ["interference.urgent.p99"] = new(3, 1.5),
        ["interference.normal.p99"] = new(5, 1, OfRatio: false), // milliseconds
        ["interference.readyz.failed"] = new(0, 0, OfRatio: false),
        ["ledger.submit"] = new(0.6, 0.9),
        ["ledger.latency"] = new(1.5, 1.1),
        ["ledger.interference"] = new(0.9, 1),
        ["urgent.wait.p50"] = new(0.05, 0.01),
        ["urgent.wait.p99"] = new(0.1, 0.03),
        ["preempt.cost"] = new(1.02, 1.02),
        ["migrate.pause.1mb"] = new(6, 2.5),
        ["migrate.pause.128mb"] = new(8, 3),
        ["migrate.delta"] = new(1.1, 1.1),
        ["python.migrate.pause"] = new(3, 1.5),
        ["python.fresh"] = new(0.15, 0.06),
        ["python.warm.rtt"] = new(2, 1.4),
    };

    public static Target? Of(string name) => Table.GetValueOrDefault(name);
}
