using Wayang.Fast.Perf.Dispatch;
using Wayang.Fast.Perf.Harness;
using Wayang.Fast.Perf.Http;
using Wayang.Fast.Perf.Interference;
using Wayang.Fast.Perf.Ledger;
using Wayang.Fast.Perf.Migrate;
using Wayang.Fast.Perf.Preempt;
using Wayang.Fast.Perf.Rpc;
using Wayang.Fast.Perf.Scheduling;
using Wayang.Fast.Perf.Soak;
using Wayang.Fast.Perf.Spawn;
using Wayang.Fast.Perf.Suites;

namespace Wayang.Fast.Perf;

/// <summary>Connects the suites with what they measure: the one place that knows both.</summary>
internal static class Composition
{
    /// <summary>Binds the calling thread to a processor.</summary>
    public static Action<int>? Pin => Wayang.Fast.Interop.Processor.PinThread;

    public static IReadOnlyList<Suite> Suites() =>
    [
        new DispatchSuite(static (context, mode) => new InProcessTarget(context, mode)),
        new SchedulerPairSuite(SchedulerSuite.Run),
        new RpcPathSuite(static context => new InProcessRpcTarget(context)),
        new HttpSuite(),
        new SpawnSuite(static context => new RuntimeSpawnTarget(context), static context => new RuntimeSpawnTarget(context, groups: false)),
        new LedgerSuite(),
        new PreemptSuite(),
        new MigrateSuite(),
        new SoakSuite(),
        new InterferenceSuite(),
    ];
}
