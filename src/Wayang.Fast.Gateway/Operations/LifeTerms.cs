using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>Reads the terms of a task's life.</summary>
internal static class LifeTerms
{
    public static OperationError? Retry(ReadOnlySpan<byte> value, TaskTerms before, out TaskTerms after)
    {
        after = before;
        Span<ParameterSlot> slots = stackalloc ParameterSlot[RetryField.Count];
        slots.Clear();
        if (ParameterReader.ReadMap(LifeFields.Retry, value, slots) is { } refusal)
        {
            return refusal;
        }

        var on = RetryTerms.AllRetryable;
        if (slots[RetryField.On].Present && ReadCauses(slots[RetryField.On].Of(value), out on) is { } unknown)
        {
            return unknown;
        }

        after = before with
        {
            Retry = new RetryTerms(
                (int)slots[RetryField.MaxAttempts].Number,
                TimeSpan.FromMilliseconds(Or(slots[RetryField.BackoffMs], LifeFields.DefaultBackoffMs)),
                TimeSpan.FromMilliseconds(Or(slots[RetryField.MaxBackoffMs], LifeFields.DefaultMaxBackoffMs)),
                (int)Or(slots[RetryField.MultiplierPercent], LifeFields.DefaultMultiplierPercent),
                (int)Or(slots[RetryField.JitterPercent], LifeFields.DefaultJitterPercent),
                on),
        };
        return null;
    }

    /// <summary>Deadline, parent and group.</summary>
    public static OperationError? Bind(int field, ReadOnlySpan<byte> value, in ParameterSlot slot, TaskTerms before, out TaskTerms after)
    {
        after = before;
        switch (field)
        {
            case TaskField.Deadline:
                if (!TryReadTime(Encoding.UTF8.GetString(value), out var deadline))
                {
                    return ParameterReader.Refuse(OperationTable.TaskFields[field], "is no such time (2026-01-31T12:00:00Z, 2026-01-31T12:00:00+01:00)");
                }

                after = before with { Deadline = deadline };
                return null;
            case TaskField.DeadlineMs:
                if (before.Deadline is not null)
                {
                    return ParameterReader.Refuse(OperationTable.TaskFields[field], "is given beside 'deadline'; one of the two is enough");
                }

                after = before with { Deadline = DateTimeOffset.UtcNow.AddMilliseconds(slot.Number) };
                return null;
            case TaskField.Parent:
                after = before with { Parent = TaskId.TryParse(value, out var parent) ? parent : default };
                return null;
            case TaskField.Detached:
                after = before with { Detached = slot.Number == 1 };
                return null;
            default:
                after = before with { Group = Encoding.UTF8.GetString(value) };
                return null;
        }
    }

    /// <summary>What can be judged when all terms are there: the idempotency key stands for all other parameters, in whatever order they came.</summary>
    public static OperationError? Complete(ReadOnlySpan<byte> frame, ReadOnlySpan<ParameterSlot> slots, ref TaskTerms? terms)
    {
        if (terms is { Detached: true, Parent: null })
        {
            return ParameterReader.Refuse(OperationTable.TaskFields[TaskField.Detached], "belongs to a task with a 'parent'");
        }

        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> head = stackalloc byte[16];
        for (var field = 0; field < TaskField.Count; field++)
        {
            ref readonly var slot = ref slots[field];
            if (!slot.Present || field is TaskField.IdempotencyKey or TaskField.Deadline or TaskField.DeadlineMs)
            {
                continue; // a deadline so and so long from now is another moment each time the same task is sent
            }

            BinaryPrimitives.WriteInt32LittleEndian(head, field);
            BinaryPrimitives.WriteInt32LittleEndian(head[4..], slot.Length);
            BinaryPrimitives.WriteInt64LittleEndian(head[8..], slot.Number);
            hash.AppendData(head);
            hash.AppendData(slot.Of(frame));
        }

        Span<byte> digest = stackalloc byte[32];
        hash.GetHashAndReset(digest);
        terms = (terms ?? new TaskTerms()) with
        {
            Idempotency = new IdempotencyTerms(
                Encoding.UTF8.GetString(slots[TaskField.IdempotencyKey].Of(frame)), new SubmissionFingerprint(BinaryPrimitives.ReadUInt64LittleEndian(digest[8..]), BinaryPrimitives.ReadUInt64LittleEndian(digest))),
        };
        return null;
    }

    /// <summary>With an offset or Z: a time without one would mean another moment on each host.</summary>
    private static bool TryReadTime(string text, out DateTimeOffset time) => DateTimeOffset.TryParseExact(
        text, ["yyyy-MM-dd'T'HH:mm:ssK", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK"], CultureInfo.InvariantCulture, DateTimeStyles.None, out time)
        && (text.EndsWith('Z') || text.LastIndexOfAny(['+', '-']) > text.IndexOf('T', StringComparison.Ordinal));

    private static long Or(in ParameterSlot slot, long absent) => slot.Present ? slot.Number : absent;

    private static OperationError? ReadCauses(ReadOnlySpan<byte> value, out uint on)
    {
        on = 0;
        var reader = new MessagePackReader(value);
        reader.TryReadArrayHeader(out var count);
        for (var i = 0; i < count; i++)
        {
            if (!reader.TryReadStringOrBinary(out var name) || !WireNames.TryParse<CauseType>(name, out var cause) || !RetryTerms.Retryable.Contains(cause))
            {
                var shown = Encoding.UTF8.GetString(name[..Math.Min(name.Length, 40)]);
                return new(
                    ErrorCode.InvalidArgument,
                    $"'retry.on' holds '{shown}', which is no cause that can be retried. There are: {string.Join(", ", RetryTerms.Retryable.Select(static c => WireNames.Text(c)))}.",
                    "retry.on");
            }

            on |= RetryTerms.Bit(cause);
        }

        return null;
    }
}
