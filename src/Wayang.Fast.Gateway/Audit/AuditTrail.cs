using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Gateway.Operations;

namespace Wayang.Fast.Gateway.Audit;

/// <summary>What doors tell the audit log. Without a log, or for an operation that is not audited, nothing is done.</summary>
internal static class AuditTrail
{
    /// <summary>What came of an operation whose parameters stand at <paramref name="slots"/>.</summary>
    public static void Tell(
        this AuditLog? log, Caller caller, Operation operation, ReadOnlySpan<byte> frame, ReadOnlySpan<ParameterSlot> slots, ReadOnlySpan<byte> reply, OperationError? refusal)
    {
        if (log is not null && operation.IsAudited && !IsQuestion(operation, reply))
        {
            log.Tell(caller, operation, AuditTarget.Of(operation, frame, slots, refusal is null ? reply : default), AuditRecord.OutcomeOf(refusal), refusal);
        }
    }

    /// <summary>The same of one whose parameters are a map, read or not.</summary>
    public static void Tell(this AuditLog? log, Caller caller, Operation operation, ReadOnlySpan<byte> map, ReadOnlySpan<byte> reply, OperationError? refusal)
    {
        if (log is not null && operation.IsAudited && !IsQuestion(operation, reply))
        {
            log.Tell(caller, operation, AuditTarget.Of(operation, map, refusal is null ? reply : default), AuditRecord.OutcomeOf(refusal), refusal);
        }
    }

    /// <summary>The caller left while it was done.</summary>
    public static void TellAbandoned(this AuditLog? log, Caller caller, Operation operation, ReadOnlySpan<byte> map)
    {
        if (log is not null && operation.IsAudited)
        {
            log.Tell(caller, operation, AuditTarget.Of(operation, map, reply: default), AuditRecord.Abandoned, refusal: null);
        }
    }

    /// <summary>A refusal before anything of the request was read, of one whose target the door knows.</summary>
    public static void TellRefused(
        this AuditLog? log, Caller caller, Operation operation, OperationError refusal, Func<IReadOnlyList<KeyValuePair<string, string>>>? target = null)
    {
        if (log is not null && operation.IsAudited)
        {
            log.Tell(caller, operation, target?.Invoke() ?? [], AuditRecord.OutcomeOf(refusal), refusal);
        }
    }

    /// <summary>Somebody who was not let in.</summary>
    public static void TellStranger(this AuditLog? log, CallerOrigin origin, string operation, OperationError refusal, string? claimed = null) =>
        log?.PostRefusal(new AuditRecord(log.Now, origin.Door ?? "", origin.From, operation, AuditRecord.OutcomeOf(refusal)) { Identity = claimed }, caller: null);

    /// <summary>Who follows a drain asks for it again and again, and does nothing by that.</summary>
    private static bool IsQuestion(Operation operation, ReadOnlySpan<byte> reply) =>
        operation.Kind == OperationKind.NodeDrain && !reply.IsEmpty && !new ReplyFields(reply).Flag("changed"u8);

    private static void Tell(
        this AuditLog log, Caller caller, Operation operation, IReadOnlyList<KeyValuePair<string, string>> target, string outcome, OperationError? refusal)
    {
        var record = new AuditRecord(log.Now, caller.Origin.Door ?? "", caller.Origin.From, operation.Name, outcome)
        {
            Identity = caller.Identity.Name, Tenant = caller.Tenant, Target = target,
        };
        if (refusal is null)
        {
            log.Post(record);
        }
        else
        {
            log.PostRefusal(record, caller.Identity);
        }
    }
}
