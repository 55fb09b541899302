using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Gateway.Audit;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Gateway.Operations;

namespace Wayang.Fast.Gateway.MessagePackRpc;

/// <summary>Frames in, operations out: what of a request runs here and what hops to the pool.</summary>
internal sealed partial class RpcConnection
{
    private const int Request = 0;
    private const int Notification = 2;
    private const int MaxQuotedBytes = 64;
    private const int BusyRetryMs = 100;
    private const int LargeReplyBytes = 64 << 10;

    /// <summary>In a token: the end answers a wait, which counts itself.</summary>
    public const long OfWait = 1L << 32;

    public CallTally Calls => _server.Calls;

    /// <summary>
    /// The end of a <c>task.run</c>, mostly on the completion thread: its reply joins those that leave at the batch's end. A large one, which is told on
    /// another thread, is written beside them: whoever has a small one must not wait at the gate for it.
    /// </summary>
    public void OnTaskEnded(ITaskView task, long token)
    {
        if (token < OfWait)
        {
            Calls.Count(OperationKind.TaskRun, ErrorCode.None, task.QueueMicroseconds + task.StartMicroseconds + task.RunMicroseconds);
        }

        if (ReplyEncoder.PayloadBytes(task) > LargeReplyBytes)
        {
            var reply = new PooledBuffer(LargeReplyBytes);
            Write(reply, task, token);
            _output.Append(reply);
        }
        else
        {
            lock (_output.Gate)
            {
                if (_output.Gathering is { } gathering)
                {
                    Write(gathering, task, token);
                }
            }
        }

        EndCall();
        if (_output.Waiting > _options.MaxOutputBytes)
        {
            Close();
        }
    }

    private static void Write(PooledBuffer to, ITaskView task, long token)
    {
        var writer = new MessagePackWriter(to);
        ReplyFrame.Begin(ref writer, (uint)token);
        ReplyEncoder.TaskResult(ref writer, task);
        writer.Commit();
    }

    public void OnBatchEnd()
    {
        _output.Flush();
        Resume();
        if (Volatile.Read(ref _peerDone))
        {
            CloseIfDone();
        }
    }

    /// <summary>Answers a request with an error, and sends it.</summary>
    public void Complete(uint messageId, OperationError error)
    {
        Append(messageId, error);
        EndCall();
        OnBatchEnd();
    }

    /// <summary>Answers a request with a reply that was encoded elsewhere, and sends it. The buffer is disposed of here.</summary>
    public void Complete(PooledBuffer reply)
    {
        Append(reply);
        EndCall();
        if (_output.Waiting > _options.MaxOutputBytes)
        {
            Close();
        }

        OnBatchEnd();
    }

    private void Append(PooledBuffer reply)
    {
        if (reply.Count > LargeReplyBytes)
        {
            _output.Append(reply);
            return;
        }

        lock (_output.Gate)
        {
            if (_output.Gathering is { } gathering)
            {
                var writer = new MessagePackWriter(gathering);
                writer.WriteRaw(reply.WrittenSpan);
                writer.Commit();
            }
        }

        reply.Dispose();
    }

    /// <summary>Counts a call in flight, here and for the caller as a whole; the refusal when that has too many.</summary>
    public OperationError? BeginCall()
    {
        Interlocked.Increment(ref _inFlight);
        if (_session!.Identity.TryBeginCall())
        {
            return null;
        }

        Interlocked.Decrement(ref _inFlight);
        return new(ErrorCode.ResourceExhausted, $"{_options.MaxInFlightPerIdentity} requests of this caller await their replies.", RetryAfterMs: BusyRetryMs);
    }

    public void EndCall()
    {
        Interlocked.Decrement(ref _inFlight);
        _session!.Identity.EndCall();
    }

    public void EndWait(IDisposable wait)
    {
        lock (_waits)
        {
            _waits.Remove(wait);
        }
    }

    private void ForgetWaits()
    {
        IDisposable[] waits;
        lock (_waits)
        {
            waits = [.. _waits];
            _waits.Clear();
        }

        foreach (var wait in waits)
        {
            wait.Dispose();
        }
    }

    /// <summary>Handles one whole frame; false when it is no MessagePack-RPC and the connection must end.</summary>
    private bool Handle(ReadOnlySpan<byte> frame)
    {
        var reader = new MessagePackReader(frame);
        if (!reader.TryReadArrayHeader(out var count) || !reader.TryReadUInt64(out var type))
        {
            return false;
        }

        if (type == Notification)
        {
            // None asks for anything: whoever wants something done wants to know that it was. Editors send some.
            _server.CountNotification();
            return count == 3 && (_session is not null || CountUnopened());
        }

        if (type != Request || count != 4 || !reader.TryReadUInt64(out var number) || number > uint.MaxValue
            || !reader.TryReadStringOrBinary(out var method))
        {
            return false;
        }

        var messageId = (uint)number;
        var operation = OperationTable.Find(method) ?? OperationTable.FindBetweenNodes(method);
        if (_session is not { } session)
        {
            return Introduce(messageId, operation, frame, ref reader);
        }

        if (operation is null)
        {
            Append(messageId, UnknownOperation(method));
            return true;
        }

        if ((CallerRefusals.OutOfScope(session, operation) ?? CallerRefusals.TooFast(session)) is { } outside)
        {
            if (operation.IsAudited)
            {
                AuditOutsider(session, operation, frame, ref reader, outside);
            }

            Append(messageId, outside);
            return true;
        }

        Span<ParameterSlot> slots = stackalloc ParameterSlot[OperationTable.MaxFields];
        slots.Clear();
        OperationError? refusal;
        try
        {
            refusal = ReadParameters(operation, ref reader, slots) ?? Perform(operation, messageId, frame, slots);
        }
#pragma warning disable CA1031 // An exception on the socket's thread would end the process: a defect answers its request instead.
        catch (Exception defect)
#pragma warning restore CA1031
        {
            _options.OnDefect?.Invoke(defect);
            refusal = new(ErrorCode.Internal, $"{defect.GetType().Name}: {defect.Message}");
        }

        Settle(session, operation, frame, slots, messageId, refusal);
        return true;
    }

    /// <summary>What is left to do when a request was taken or refused.</summary>
    private void Settle(Caller session, Operation operation, ReadOnlySpan<byte> frame, ReadOnlySpan<ParameterSlot> slots, uint messageId, OperationError? refusal)
    {
        if (refusal is not null)
        {
            _options.Audit.Tell(session, operation, frame, slots, reply: default, refusal);
        }

        if (operation.Kind is OperationKind.TaskSubmitMany or OperationKind.WebhookCreate
            || (operation.Kind is OperationKind.TaskRun or OperationKind.TaskSubmit && slots[TaskField.Secrets].Present))
        {
            Wipe(frame); // it held secrets, or may have; all that is needed of it was copied
        }

        if (refusal is not null)
        {
            Calls.Count(operation.Kind, refusal.Code);
            Append(messageId, refusal);
        }
    }

    /// <summary>What somebody was not let do: its parameters are read for that alone.</summary>
    private void AuditOutsider(Caller session, Operation operation, ReadOnlySpan<byte> frame, ref MessagePackReader reader, OperationError refusal)
    {
        Span<ParameterSlot> slots = stackalloc ParameterSlot[OperationTable.MaxFields];
        slots.Clear();
        ReadParameters(operation, ref reader, slots);
        _options.Audit.Tell(session, operation, frame, slots, reply: default, refusal);
    }

    /// <summary>Overwrites a frame where it stands, in a buffer of this connection's.</summary>
    private static void Wipe(ReadOnlySpan<byte> frame) =>
        CryptographicOperations.ZeroMemory(MemoryMarshal.CreateSpan(ref MemoryMarshal.GetReference(frame), frame.Length));

    private static OperationError? ReadParameters(Operation operation, ref MessagePackReader reader, scoped Span<ParameterSlot> slots)
    {
        if (!reader.TryReadArrayHeader(out var count) || count > 1)
        {
            return new(ErrorCode.InvalidArgument, $"{operation.Name} takes one map of parameters: params = [{{...}}].");
        }

        return count == 0 ? ParameterReader.Missing(operation, slots) : ParameterReader.Read(operation, ref reader, slots);
    }

    /// <summary>Returns a refusal, which is not in flight any more; otherwise the reply is written or will be.</summary>
    private OperationError? Perform(Operation operation, uint messageId, ReadOnlySpan<byte> frame, Span<ParameterSlot> slots)
    {
        switch (operation.Kind)
        {
            case OperationKind.TaskRun:
                return Run(messageId, frame, slots);
            case OperationKind.TaskSubmit:
                return Submit(messageId, frame, slots);
            case OperationKind.TaskCancel:
                var id = TaskRequest.IdOf(frame, slots);
                var refusal = _server.Tasks.Cancel(id, Tenant);
                if (refusal is null)
                {
                    Calls.Count(OperationKind.TaskCancel);
                    AppendId(messageId, id);
                }

                return refusal;
            case OperationKind.TaskWait:
                return Wait(messageId, TaskRequest.IdOf(frame, slots), slots[1]);
            case OperationKind.TaskOutput when slots[4].Number > 0:
                // One that memory has forgotten may be in the ledger, which is read where a thread may wait.
                refusal = WaitForOutput(messageId, OutputRequest.Of(frame, slots));
                return refusal?.Code == ErrorCode.NotFound ? ColdCall.Start(this, _server, operation, messageId, frame, slots) : refusal;
            case OperationKind.EventsSubscribe:
                return Subscribe(messageId, frame, slots);
            case OperationKind.SessionOpen:
                return ConfirmSession(messageId);
            default:
                return ColdCall.Start(this, _server, operation, messageId, frame, slots);
        }
    }

    private OperationError? Run(uint messageId, ReadOnlySpan<byte> frame, ReadOnlySpan<ParameterSlot> slots)
    {
        // Counted before: the task may end, and its reply be written, before Submit returns.
        if ((TaskRequest.Bind(frame, slots, _targets!, out var submission) ?? BeginCall()) is { } refusal)
        {
            return refusal;
        }

        var admitted = false;
        try
        {
            refusal = _server.Tasks.Submit(submission, this, messageId, out _);
            admitted = refusal is null;
            return refusal;
        }
        finally
        {
            if (!admitted)
            {
                EndCall();
            }
        }
    }

    private OperationError? Submit(uint messageId, ReadOnlySpan<byte> frame, ReadOnlySpan<ParameterSlot> slots)
    {
        var refusal = TaskRequest.Bind(frame, slots, _targets!, out var submission);
        if (refusal is null && (submission.Terms?.Durable ?? _server.Tasks.StoresByDefault))
        {
            return SubmitDurable(messageId, submission);
        }

        if (refusal is null)
        {
            refusal = _server.Tasks.Submit(submission, observer: null, token: 0, out var id);
            if (refusal is null)
            {
                Calls.Count(OperationKind.TaskSubmit);
                AppendId(messageId, id);
            }
        }

        return refusal;
    }

    /// <summary>The reply follows when the task is stored: a call in flight until then.</summary>
    private OperationError? SubmitDurable(uint messageId, in TaskSubmission submission)
    {
        if (BeginCall() is { } busy)
        {
            return busy;
        }

        var stored = submission with { Receipt = this, ReceiptToken = messageId };
        var refusal = _server.Tasks.Submit(stored, observer: null, token: 0, out var id);
        if (refusal is null && id == default)
        {
            return null;
        }

        EndCall();
        if (refusal is null)
        {
            Calls.Count(OperationKind.TaskSubmit);
            AppendId(messageId, id);
        }

        return refusal;
    }

    /// <summary>A durable <c>task.submit</c> is stored. On the ledger's thread.</summary>
    public void OnStored(TaskId id, long token)
    {
        Calls.Count(OperationKind.TaskSubmit);
        AppendId((uint)token, id);
        EndCall();
        OnBatchEnd();
    }

    public void OnRefused(OperationError refusal, long token)
    {
        Calls.Count(OperationKind.TaskSubmit, refusal.Code);
        Complete((uint)token, refusal);
    }

    /// <summary>The task of a <c>task.run</c> could not be stored.</summary>
    public void OnRefused(TaskId id, OperationError refusal, long token)
    {
        if (token < OfWait)
        {
            Calls.Count(OperationKind.TaskRun, refusal.Code);
        }

        Complete((uint)token, refusal);
    }

    private OperationError? Wait(uint messageId, TaskId id, in ParameterSlot timeout)
    {
        if (BeginCall() is { } busy)
        {
            return busy;
        }

        var wait = new PendingWait(this, _server.Tasks, id, messageId);
        lock (_waits)
        {
            _waits.Add(wait);
        }

        var refusal = wait.Start(Tenant, timeout.Present ? TimeSpan.FromMilliseconds(timeout.Number) : null, _server.Time);
        if (refusal is null && IsClosed)
        {
            // Closed meanwhile: its waits may have been forgotten before this one was among them.
            wait.Dispose();
        }

        return refusal;
    }

    private OperationError? WaitForOutput(uint messageId, in OutputRequest request)
    {
        if (BeginCall() is { } busy)
        {
            return busy;
        }

        var wait = new PendingOutput(this, _server, messageId, request);
        lock (_waits)
        {
            _waits.Add(wait);
        }

        var refusal = wait.Start();
        if (refusal is null && IsClosed)
        {
            wait.Dispose();
        }

        return refusal;
    }

    private void Append(uint messageId, OperationError error)
    {
        lock (_output.Gate)
        {
            if (_output.Gathering is { } gathering)
            {
                var writer = new MessagePackWriter(gathering);
                ReplyFrame.Error(ref writer, messageId, error);
                writer.Commit();
            }
        }
    }

    private void AppendId(uint messageId, TaskId id)
    {
        lock (_output.Gate)
        {
            if (_output.Gathering is { } gathering)
            {
                var writer = new MessagePackWriter(gathering);
                ReplyFrame.Begin(ref writer, messageId);
                ReplyEncoder.TaskIdMap(ref writer, id);
                writer.Commit();
            }
        }
    }

    private static OperationError UnknownOperation(ReadOnlySpan<byte> method)
    {
        var name = Encoding.UTF8.GetString(method[..Math.Min(method.Length, MaxQuotedBytes)]);
        var nearest = NearestName.Of(name, OperationTable.All.Select(static operation => operation.Name));
        return new(ErrorCode.UnknownOperation, nearest is null
            ? $"There is no operation '{name}'."
            : $"There is no operation '{name}'. Did you mean '{nearest}'?");
    }
}
