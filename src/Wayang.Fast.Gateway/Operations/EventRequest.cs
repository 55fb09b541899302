using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>An <c>events.list</c> or <c>events.subscribe</c>: from where on, which, and how many.</summary>
/// <param name="Since">Null: from now on.</param>
/// <param name="Filter">Narrowed to what the caller may see.</param>
internal sealed record EventRequest(long? Since, EventFilter Filter, int Limit, int WaitMs)
{
    private const int DefaultLimit = 100;
    private const int DefaultTenant = 0;

    public static OperationError NoStream { get; } = new(ErrorCode.Unsupported, "This front door was started without events.");

    public static bool Handles(OperationKind kind) => kind is OperationKind.EventsList or OperationKind.EventsSubscribe;

    /// <summary>Checked by the operation table before. The default tenant is the operator's own, and sees all.</summary>
    public static OperationError? Of(ReadOnlySpan<byte> frame, ReadOnlySpan<ParameterSlot> slots, int tenant, out EventRequest? request)
    {
        request = null;
        if (slots[3].Present && tenant != DefaultTenant && slots[3].Number != tenant)
        {
            return new(ErrorCode.PermissionDenied, "Events of other tenants are told to the default tenant alone.", "tenant");
        }

        var task = default(TaskId);
        if (slots[2].Present && !TaskId.TryParse(slots[2].Of(frame), out task))
        {
            return new(ErrorCode.InvalidArgument, "'task' is no task's id.", "task");
        }

        request = new EventRequest(
            slots[0].Present ? slots[0].Number : null,
            new EventFilter
            {
                Tenant = tenant != DefaultTenant ? tenant : slots[3].Present ? (int)slots[3].Number : null,
                Type = slots[1].Present ? Encoding.UTF8.GetString(slots[1].Of(frame)) : string.Empty,
                Task = task,
                Severity = (EventSeverity)slots[4].Number,
                Group = slots[5].Present ? Encoding.UTF8.GetString(slots[5].Of(frame)) : null,
            },
            slots[6].Present ? (int)slots[6].Number : DefaultLimit,
            (int)slots[7].Number);
        return null;
    }

    /// <summary>Waits, if it was asked for, and looks. Not on a thread that must not wait for the disk.</summary>
    public async Task<(EventPage? Page, OperationError? Refusal)> ReadAsync(EventStream stream, CancellationToken cancellation)
    {
        var since = Since ?? 0;
        if (WaitMs > 0)
        {
            await stream.WaitAsync(since, TimeSpan.FromMilliseconds(WaitMs), cancellation).ConfigureAwait(false);
        }

        return Look(stream, since);
    }

    public (EventPage? Page, OperationError? Refusal) Look(EventStream stream, long since)
    {
        try
        {
            return (stream.Read(since, Limit, Filter), null);
        }
        catch (LedgerUnreadableException failure)
        {
            return (null, new(ErrorCode.Unavailable, $"These events are in the ledger, and it cannot be read: {failure.Message}", "since", 1000));
        }
    }

    /// <summary>The table's own operations, for a caller of which only the map of parameters is there.</summary>
    public static OperationError? Read(Operation operation, ReadOnlySpan<byte> parameters, int tenant, out EventRequest? request)
    {
        request = null;
        var slots = new ParameterSlot[OperationTable.MaxFields];
        var reader = new MessagePackReader(parameters);
        return (parameters.IsEmpty ? ParameterReader.Missing(operation, slots) : ParameterReader.Read(operation, ref reader, slots))
            ?? Of(parameters, slots, tenant, out request);
    }
}
