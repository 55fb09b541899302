using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>Turns the checked terms of a task into <see cref="TaskTerms"/>; null for the many tasks that have none.</summary>
internal static class TermsRequest
{
    public static OperationError? Bind(ReadOnlySpan<byte> frame, ReadOnlySpan<ParameterSlot> slots, out TaskTerms? terms)
    {
        terms = null;
        for (var field = TaskField.FirstTerm; field < TaskField.Count; field++)
        {
            if (slots[field].Present && Bind(field, slots[field].Of(frame), slots[field], terms ??= new TaskTerms(), out terms) is { } refusal)
            {
                return refusal;
            }
        }

        return slots[TaskField.IdempotencyKey].Present || terms is { Detached: true, Parent: null } ? LifeTerms.Complete(frame, slots, ref terms) : null;
    }

    private static OperationError? Pure(in ParameterSlot slot, TaskTerms before, out TaskTerms? after)
    {
        after = before with { Pure = slot.Number == 1 };
        return null;
    }

    private static OperationError? Durable(in ParameterSlot slot, TaskTerms before, out TaskTerms? after)
    {
        after = before with { Durable = slot.Number == 1 };
        return null;
    }

    private static OperationError? Migration(in ParameterSlot slot, TaskTerms before, out TaskTerms? after)
    {
        after = before with { Migration = (TaskMigration)slot.Number };
        return null;
    }

    /// <summary>One term more; each has its line here and its reader in a file of its own.</summary>
    private static OperationError? Bind(int field, ReadOnlySpan<byte> value, in ParameterSlot slot, TaskTerms before, out TaskTerms? after)
    {
        after = before;
        return field switch
        {
            TaskField.Limits => LimitsRequest.Bind(value, before, out after),
            TaskField.Retry => LifeTerms.Retry(value, before, out after),
            >= TaskField.Deadline and <= TaskField.Group => LifeTerms.Bind(field, value, slot, before, out after),
            TaskField.Inputs => FilesRequest.Inputs(value, before, out after),
            TaskField.Secrets => FilesRequest.Secrets(value, before, out after),
            TaskField.Artifacts => FilesRequest.Artifacts(value, before, out after),
            TaskField.Pure => Pure(slot, before, out after),
            TaskField.Durable => Durable(slot, before, out after),
            TaskField.Migration => Migration(slot, before, out after),
            TaskField.Grants => GrantsRequest.Bind(value, before, out after),
            _ => null,
        };
    }
}
