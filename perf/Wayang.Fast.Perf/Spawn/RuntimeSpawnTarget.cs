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

    private readonly PerfNode _node;
    private readonly CallTarget _call;
    private readonly CallTarget _command;
    private readonly CallTarget? _python;

    public RuntimeSpawnTarget(SuiteContext context)
    {
        _node = new PerfNode(context, new RuntimeOptions { SpareWorkers = 0 }, pinned: false);
        _call = _node.Resolve("nothing", WorkerReuse.Never);
        _command = _node.ResolveCommand();
        if (PerfNode.HasPython(context))
        {
            _python = _node.ResolvePython("def nothing(data, ctx):\n    return data\n", "nothing", ["json", "re", "hashlib"], WorkerReuse.Never);
        }

        MeasureWorker();
        MeasureExec();
    }

    public override double MeasureWorker() => Measure(_call, null);

    public override double? MeasurePython() => _python is null ? null : Measure(_python, null);

    public override double MeasureExec() => Measure(_command, True);

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _node.Dispose();
        }
    }

    private double Measure(CallTarget target, CommandLine? command)
    {
        var start = Stopwatch.GetTimestamp();
        _node.RunToEnd(target, [], command);
        return Stopwatch.GetElapsedTime(start).TotalMicroseconds;
    }
}
