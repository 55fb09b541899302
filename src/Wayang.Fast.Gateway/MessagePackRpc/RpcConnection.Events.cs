using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Gateway.Operations;

namespace Wayang.Fast.Gateway.MessagePackRpc;

/// <content>The connection's subscription to events: one, and a later one takes its place.</content>
internal sealed partial class RpcConnection
{
    private EventSubscription? _subscription;

    /// <summary>So much waits to be sent that nothing should be added.</summary>
    public bool IsFull => _output.Backlog >= _options.OutputPauseBytes && !IsClosed;

    public bool TakesEvents => !IsClosed && !IsLeaving;

    /// <summary>Sends events as notifications. Any thread.</summary>
    public void Notify(IReadOnlyList<NodeEvent> events)
    {
        var overflow = false;
        lock (_output.Gate)
        {
            if (_output.Gathering is { } gathering)
            {
                var writer = new MessagePackWriter(gathering);
                foreach (var told in events)
                {
                    writer.WriteArrayHeader(3);
                    writer.WriteUInt64(Notification);
                    writer.WriteString("event"u8);
                    writer.WriteArrayHeader(1);
                    EventReplies.Write(ref writer, told);
                }

                writer.Commit();
                overflow = _output.Waiting > _options.MaxOutputBytes;
            }
        }

        if (overflow)
        {
            Close();
        }

        OnBatchEnd();
    }

    private OperationError? Subscribe(uint messageId, ReadOnlySpan<byte> frame, ReadOnlySpan<ParameterSlot> slots)
    {
        if (_server.Ports.Events is not { } events)
        {
            return EventRequest.NoStream;
        }

        if ((EventRequest.Of(frame, slots, Tenant, out var request) ?? BeginCall()) is { } refusal)
        {
            return refusal;
        }

        var next = new EventSubscription(this, _server, new EventFollower(events, request!));
        lock (_waits)
        {
            _waits.Add(next);
        }

        Interlocked.Exchange(ref _subscription, next)?.Dispose();
        AppendSequence(messageId, next.Since);
        Calls.Count(OperationKind.EventsSubscribe);
        if (IsClosed)
        {
            // Closed meanwhile: its waits may have been forgotten before this one was among them.
            next.Dispose();
        }

        next.Start();
        return null;
    }

    private void AppendSequence(uint messageId, long since)
    {
        lock (_output.Gate)
        {
            if (_output.Gathering is { } gathering)
            {
                var writer = new MessagePackWriter(gathering);
                ReplyFrame.Begin(ref writer, messageId);
                writer.WriteMapHeader(1);
                ReplyEncoder.Text(ref writer, "sequence"u8, since.ToString(System.Globalization.CultureInfo.InvariantCulture));
                writer.Commit();
            }
        }
    }
}
