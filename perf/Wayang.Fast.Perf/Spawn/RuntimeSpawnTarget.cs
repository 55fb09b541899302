using System.Diagnostics;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution;
using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf.Spawn;

/// <summary>A runtime without spares whose workers serve one task each: every call pays for its own fork and sandbox.</summary>
internal sealed class RuntimeSpawnTarget : SpawnTarget
{
    private static readonly CommandLine True = new(["/bin/true"], [], null);

    private readonly BareStage? _bare;
    private readonly PerfNode _node;
    private readonly CallTarget _call;
    private readonly CallTarget _command;
    private readonly CallTarget? _python;

    /// <param name="context">Where the installation is.</param>
    /// <param name="groups">False: a spawner that uses no control groups, so that nothing limits its workers together.</param>
    public RuntimeSpawnTarget(SuiteContext context, bool groups = true)
    {
        _bare = groups ? null : new BareStage(context);
        _node = new PerfNode(context, new RuntimeOptions { SpareWorkers = 0 }, pinned: false, _bare?.Folder);
        _call = _node.Resolve("nothing", WorkerReuse.Never);
        _command = _node.ResolveCommand();
        if (PerfNode.HasPython(context))
        {
            _python = _node.ResolvePython("def nothing(data, ctx):\n    return data\n", "nothing", ["json", "re", "hashlib"], WorkerReuse.Never);
        }

        MeasureWorker();
        MeasureExec();
    }

    public override bool HasGroups => _node.Runtime.Tasks.DescribeNode().CgroupMode is "v1" or "v2" or "hybrid";

    public override double MeasureWorker() => Measure(_call, null);

    public override double? MeasurePython() => _python is null ? null : Measure(_python, null);

    public override double MeasureExec() => Measure(_command, True);

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _node.Dispose();
            _bare?.Dispose();
        }
    }

    private double Measure(CallTarget target, CommandLine? command)
    {
        var start = Stopwatch.GetTimestamp();
        _node.RunToEnd(target, [], command);
        return Stopwatch.GetElapsedTime(start).TotalMicroseconds;
    }
}
