using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.MessagePackRpc;

/// <summary>Reads the terms of a task's life.</summary>
internal static class LifeRequest
{
    public static OperationError? Retry(ReadOnlySpan<byte> value, TaskTerms before, out TaskTerms after)
    {
        after = before;
        Span<ParameterSlot> slots = stackalloc ParameterSlot[LifeFields.RetryKey.Count];
        slots.Clear();
        if (ParameterReader.ReadMap(LifeFields.Retry, value, slots) is { } refusal)
        {
            return refusal;
        }

        var on = RetryTerms.AllRetryable;
        if (slots[LifeFields.RetryKey.On].Present && ReadCauses(slots[LifeFields.RetryKey.On].Of(value), out on) is { } unknown)
        {
            return unknown;
        }

        after = before with
        {
            Retry = new RetryTerms(
                (int)slots[LifeFields.RetryKey.MaxAttempts].Number,
                TimeSpan.FromMilliseconds(Or(slots[LifeFields.RetryKey.BackoffMs], LifeFields.DefaultBackoffMs)),
                TimeSpan.FromMilliseconds(Or(slots[LifeFields.RetryKey.MaxBackoffMs], LifeFields.DefaultMaxBackoffMs)),
                (int)Or(slots[LifeFields.RetryKey.MultiplierPercent], LifeFields.DefaultMultiplierPercent),
                (int)Or(slots[LifeFields.RetryKey.JitterPercent], LifeFields.DefaultJitterPercent),
                on),
        };
        return null;
    }

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
