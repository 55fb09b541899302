using System.Buffers.Binary;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>
/// The targets that a connection named lately, found by the bytes that name them. Direct-mapped and of fixed size, so a
/// peer that names many only makes its own lookups slow. Used by the connection's one reader; a hit allocates nothing.
/// </summary>
internal sealed class TargetCache(ITaskService tasks, int tenant)
{
    private const int Entries = 64;
    private readonly Entry?[] _entries = new Entry?[Entries];

    public OperationError? Find(ReadOnlySpan<byte> frame, ReadOnlySpan<ParameterSlot> slots, out CallTarget? target)
    {
        // Grants are part of a pool's key; such tasks are few and resolved each time.
        var grants = (TaskGrants?)null;
        if (slots[TaskField.Grants].Present && GrantsRequest.Read(slots[TaskField.Grants].Of(frame), out grants) is { } wrong)
        {
            target = null;
            return wrong;
        }

        var kind = (TaskKind)(slots[TaskField.Kind].Number + 1);
        var reuse = slots[TaskField.Reuse].Present ? (WorkerReuse)slots[TaskField.Reuse].Number : WorkerReuse.Tenant;
        var image = slots[TaskField.Image].Of(frame);
        var function = slots[TaskField.Function].Of(frame);
        var profile = slots[TaskField.Profile].Of(frame);
        var tag = ((uint)kind << 8) | (uint)reuse;

        var hash = Mix(Mix(Mix(tag, image), function), profile);
        ref var entry = ref _entries[hash % Entries];
        if (grants is null && entry is not null && entry.Tag == tag && image.SequenceEqual(entry.Image) && function.SequenceEqual(entry.Function)
            && profile.SequenceEqual(entry.Profile) && !entry.Target.IsStale)
        {
            target = entry.Target;
            return null;
        }

        var request = new TargetRequest
        {
            Kind = kind, Image = image, Function = function, Profile = profile, Tenant = tenant, Reuse = reuse, Grants = grants,
        };
        var refusal = tasks.Resolve(request, out target);
        if (refusal is null && target is not null && grants is null)
        {
            entry = new Entry(tag, image.ToArray(), function.ToArray(), profile.ToArray(), target);
        }

        return refusal;
    }

    private static ulong Mix(ulong hash, ReadOnlySpan<byte> bytes)
    {
        const ulong Prime = 0x9E3779B97F4A7C15;
        hash = (hash ^ (uint)bytes.Length) * Prime;
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..])
        {
            hash = (hash ^ BinaryPrimitives.ReadUInt64LittleEndian(bytes)) * Prime;
            hash ^= hash >> 29;
        }

        foreach (var value in bytes)
        {
            hash = (hash ^ value) * Prime;
        }

        return hash ^ (hash >> 32);
    }

    private sealed record Entry(uint Tag, byte[] Image, byte[] Function, byte[] Profile, CallTarget Target);
}
