using System.Diagnostics;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Gateway.Operations;

namespace Wayang.Fast.Gateway.MessagePackRpc;

/// <summary>
/// A <c>task.output</c> with <c>wait_ms</c>: answered once, when the stream grew, the task ended or the time is over, or forgotten with
/// its connection. Nothing looks at the stream in between. Whoever tells it is a thread of the runtime's: the reply is made on the pool.
/// </summary>
internal sealed class PendingOutput(RpcConnection connection, RpcServer server, uint messageId, OutputRequest request)
    : IStreamObserver, IThreadPoolWorkItem, IDisposable
{
    private readonly long _begun = Stopwatch.GetTimestamp();
    private readonly int _tenant = connection.Tenant;
    private int _told;
    private ITimer? _timer;

    /// <summary>The call is counted, and the connection knows of it; after a refusal neither is so.</summary>
    public OperationError? Start()
    {
        var ready = false;
        var refusal = server.Tasks.WatchOutput(request.Id, _tenant, request.Stream, this) ?? request.Look(server.Tasks, _tenant, out ready);
        if (refusal is not null)
        {
            Dispose();
            connection.EndWait(this);
            return refusal;
        }

        if (ready)
        {
            OnOutput();
            return null;
        }

        _timer = server.Time.CreateTimer(
            static state => ((PendingOutput)state!).OnOutput(), this, TimeSpan.FromMilliseconds(request.WaitMs), Timeout.InfiniteTimeSpan);
        if (Volatile.Read(ref _told) != 0)
        {
            _timer.Dispose();
        }

        return null;
    }

    public void OnOutput()
    {
        if (Interlocked.Exchange(ref _told, 1) == 0)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    public void Execute()
    {
        _timer?.Dispose();
        server.Tasks.ForgetOutput(request.Id, this);
        connection.EndWait(this);
        var reply = new PooledBuffer(512);
        OperationError? refusal;
        try
        {
            var writer = new MessagePackWriter(reply);
            ReplyFrame.Begin(ref writer, messageId);
            refusal = request.Write(ref writer, server.Tasks, _tenant);
            writer.Commit();
        }
#pragma warning disable CA1031 // A defect answers this request, it does not end the daemon.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            server.Options.OnDefect?.Invoke(failure);
            refusal = new(ErrorCode.Internal, $"{failure.GetType().Name}: {failure.Message}");
        }

        connection.Calls.CountSince(OperationKind.TaskOutput, refusal?.Code ?? ErrorCode.None, _begun);
        if (refusal is not null)
        {
            reply.Dispose();
            connection.Complete(messageId, refusal);
        }
        else
        {
            connection.Complete(reply);
        }
    }

    /// <summary>The connection is gone: nobody is to be told.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _told, 1) == 0)
        {
            server.Tasks.ForgetOutput(request.Id, this);
            connection.EndCall();
        }

        _timer?.Dispose();
    }
}
