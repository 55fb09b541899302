using System.Diagnostics;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Execution.Checkpoints;
using Wayang.Fast.Execution.Commands;
using Wayang.Fast.Execution.Completions;
using Wayang.Fast.Execution.Limits;
using Wayang.Fast.Execution.Network;
using Wayang.Fast.Execution.Workers;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Supervision;

/// <summary>Asks the spawner for call workers. Supervisor only.</summary>
internal sealed class WorkerLauncher(SpawnerLink link, CompletionThread completion, WorkerTable workers, LiveOptions options, NetworkOffers networks)
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

        CallWorker? worker = null;
        var watched = false;
        try
        {
            var limits = StartLimits.Of(pool.Key.Limits, options.Current, pool.Key.Profile, link.Welcome);
            worker = Create(id, pool, limits);

            // Asleep from its first moment: READY rings. (The reader is the completion thread's from Watch on.)
            worker.Reader.PrepareSleep();
            workers.Add(worker);
            completion.Watch(worker);
            watched = true;
            var channel = worker.Channel;
            if ((pool.Grants is null || networks.Open(id, pool.Grants, pool.Name))
                && link.SendWorkerStart(id, pool.Image.SpawnerId, CommandRunner.NiceClass(PriorityLevels.DefaultOf(worker.Weight.Told)), limits, [channel.DaemonFile, channel.WorkerFile, channel.Doorbell]))
            {
                if (!pool.Image.IsMigratable)
                {
                    channel.CloseTransferred(); // else when it is written down, it is copied through these
                }

                Started++;
                return null;
            }

            Abandon(id, worker, watched);
            return "the start could not be sent to the spawner";
        }
        catch (NativeException failure)
        {
            // Out of descriptors or memory: this start fails, and the node goes on with the workers that it has.
            Abandon(id, worker, watched);
            return $"its channel could not be made: {failure.Message}";
        }
    }

    /// <param name="continuation">Its state was read, or is filled in later as it is ahead.</param>
    /// <param name="stream">What its memory comes through; stays the caller's.</param>
    /// <returns>Null when it is under way, else why not.</returns>
    public string? Continue(Continuation continuation, int stream)
    {
        var id = workers.NewId();
        if (id == 0)
        {
            return "all worker places are taken";
        }

        CallWorker? worker = null;
        ChannelMemory? channel = null;
        var watched = false;
        try
        {
            var pool = continuation.Pool;
            var limits = StartLimits.Of(pool.Key.Limits, options.Current, pool.Key.Profile, link.Welcome);
            channel = ChannelMemory.Create(continuation.Shape?.Geometry ?? continuation.State!.Geometry);
            worker = CallWorker.Continue(id, channel, continuation, limits.MemoryBytes);
            workers.Add(worker);
            completion.Watch(worker);
            watched = true;
            if (link.SendWorkerRestore(id, pool.Image.SpawnerId, 0, limits, [channel.DaemonFile, channel.WorkerFile, channel.Doorbell, stream]))
            {
                Started++;
                continuation.Worker = id;
                return null;
            }

            Abandon(id, worker, watched);
            return "the start could not be sent to the spawner";
        }
        catch (Exception failure) when (failure is NativeException or InvalidDataException or IOException)
        {
            Abandon(id, worker, watched);
            channel?.Dispose();
            return failure.Message;
        }
    }

    private CallWorker Create(ulong id, WorkerPool pool, in StartLimits limits)
    {
        // A worker that serves one task takes one call.
        var measures = pool.Image.MeasuresCpu;
        var most = pool.TellsFacts || measures ? ChannelLayout.MaxFacts : ChannelLayout.MaxInFlight;
        var concurrency = pool.Key.Reuse == WorkerReuse.Never ? 1 : Math.Min(options.Current.CallConcurrency, most);
        var slots = ChannelGeometry.SlotsFor(concurrency);
        var channel = ChannelMemory.Create(new ChannelGeometry
        {
            RequestSlots = slots,
            CompletionSlots = slots,
            WorkerSpin = options.Current.WorkerSpinPauses,
            MaxPayload = options.Current.MaxPayloadBytes,
            Epoch = ++_epoch,
        });

        channel.StateBytes = options.Current.MaxStateBytes;
        if (measures)
        {
            channel.MeasureCalls();
        }

        return new CallWorker(id, pool, channel, concurrency)
        {
            Weight = new WorkerWeight(pool.StartsAs),
            MeasuredProcessors = measures ? limits.Processors(pool.Key.Profile, link.Welcome) : 0,
            StartRequested = Stopwatch.GetTimestamp(),
            MemoryLimit = limits.MemoryBytes > 0 ? limits.MemoryBytes : StartLimits.Find(link.Welcome, pool.Key.Profile)?.Most?.MemoryBytes ?? 0,
        };
    }

    private void Abandon(ulong id, CallWorker? worker, bool watched)
    {
        workers.Remove(id);
        networks.Close(id);
        if (watched)
        {
            completion.Unwatch(worker!);
        }

        worker?.Dispose();
    }
}
