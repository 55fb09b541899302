using System.Diagnostics;
using Wayang.Fast.Execution.Completions;
using Wayang.Fast.Execution.Workers;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Supervision;

/// <summary>Asks the spawner for call workers. Supervisor only.</summary>
internal sealed class WorkerLauncher(SpawnerLink link, CompletionThread completion, WorkerTable workers, RuntimeOptions options)
{
    private ulong _epoch;

    public long Started { get; private set; }

    /// <returns>Null when it is under way, else why not.</returns>
    public string? Start(WorkerPool pool)
    {
        var id = workers.NewId();
        if (id == 0)
        {
            return "all worker places are taken";
        }

        var channel = ChannelMemory.Create(new ChannelGeometry
        {
            WorkerSpin = options.WorkerSpinPauses,
            MaxPayload = options.MaxPayloadBytes,
            Epoch = ++_epoch,
        });
        var worker = new CallWorker(id, pool, channel, options.CallConcurrency) { StartRequested = Stopwatch.GetTimestamp() };
        workers.Add(worker);
        completion.Watch(worker);
        link.SendWorkerStart(id, pool.Image.SpawnerId, 0, [channel.DaemonFile, channel.WorkerFile, channel.Doorbell]);
        channel.CloseTransferred();
        Started++;
        return null;
    }
}
