using System.Collections.Concurrent;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Execution.Supervision;
using Wayang.Fast.Execution.Workers;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Checkpoints;

/// <summary>The node's workers that stand by for calls whose files are on their way or have just come, by file. Thread-safe.</summary>
internal sealed class Standbys(Supervisor supervisor)
{
    /// <summary>Each holds its call's memory beside what the node has admitted.</summary>
    private const int Most = 4;

    /// <summary>So long one stands ready for who continues from the file.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<string, Standby> _ready = new(StringComparer.Ordinal);
    private int _count;

    /// <summary>The one that was begun for what comes, if it is of its kind; else another.</summary>
    /// <param name="begun">Null: none was. It ends if it is of another kind.</param>
    public Standby? Take(Standby? begun, WorkerPool pool, TaskId task, WorkerShape shape)
    {
        if (begun is { IsOver: false } && begun.Continuation is var awaited && awaited.Pool == pool && awaited.Task == task && awaited.Shape == shape)
        {
            return begun;
        }

        begun?.Dispose();
        return TryBegin(pool, task, shape);
    }

    /// <returns>Null: there are enough.</returns>
    public Standby? TryBegin(WorkerPool pool, TaskId task, WorkerShape shape)
    {
        if (Interlocked.Increment(ref _count) > Most)
        {
            Interlocked.Decrement(ref _count);
            return null;
        }

        try
        {
            var (read, write) = Descriptors.CreatePipe(nonBlockingRead: false, nonBlockingWrite: false, large: true); // who feeds it proves the next piece meanwhile
            var standby = new Standby(this, new Continuation(pool, task, shape), write);
            supervisor.Begin(standby, read);
            return standby;
        }
        catch (NativeException)
        {
            Interlocked.Decrement(ref _count);
            return null; // out of descriptors: the file is enough
        }
    }

    /// <summary>The one that stands ready for this file, or will in a moment; its caller binds it.</summary>
    public Continuation? Take(string path, WorkerPool pool)
    {
        if (!_ready.TryRemove(path, out var standby))
        {
            return null;
        }

        if (standby.Continuation.Pool != pool)
        {
            standby.GiveUp();
            return null;
        }

        if (!standby.TryTake())
        {
            return null;
        }

        Interlocked.Decrement(ref _count);
        return standby.Continuation;
    }

    /// <summary>Of <see cref="Standby"/>: its file is whole.</summary>
    internal void Offer(string path, Standby standby, CheckpointState state)
    {
        supervisor.Fill(standby.Continuation, state);
        _ready[path] = standby;
        if (standby.IsOver)
        {
            _ready.TryRemove(new KeyValuePair<string, Standby>(path, standby));
        }
    }

    /// <summary>Of <see cref="Standby"/>: it was given up.</summary>
    internal void Release(Standby standby)
    {
        Interlocked.Decrement(ref _count);
        supervisor.GiveUp(standby.Continuation);
        foreach (var pair in _ready)
        {
            if (pair.Value == standby)
            {
                _ready.TryRemove(pair);
            }
        }
    }
}
