using System.Runtime.InteropServices;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Core.Admission;

/// <param name="Window">How long a key is remembered after its submission.</param>
/// <param name="MaxKeys">Keys at most; more are refused until some are forgotten, never forgotten early.</param>
public sealed record SubmissionKeyOptions(TimeSpan Window, int MaxKeys);

/// <summary>
/// Which task was made of which idempotency key. Any thread; one lock, which the caller enters and holds while it admits the task of a new
/// key, so that of two submissions at once one makes the task and the other finds it.
/// </summary>
public sealed class SubmissionKeys(SubmissionKeyOptions options, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(int Tenant, string Key), Known> _known = [];
    private readonly Queue<(int Tenant, string Key, long At)> _order = new();
    private long _repeats;
    private long _conflicts;

    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Known(TaskId Id, SubmissionFingerprint Fingerprint, long At);

    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _known.Count;
            }
        }
    }

    /// <summary>Submissions that were answered with an earlier one's task, and those refused because they were not the same.</summary>
    public long Repeats => Volatile.Read(ref _repeats);

    public long Conflicts => Volatile.Read(ref _conflicts);

    /// <summary>Nobody else finds or adds until it is left.</summary>
    public Lock.Scope Enter() => _lock.EnterScope();

    /// <summary>Inside <see cref="Enter"/>.</summary>
    /// <param name="tenant">Keys of different tenants have nothing to do with each other.</param>
    /// <param name="terms">The key, and what it stands for.</param>
    /// <param name="id">The earlier task.</param>
    /// <param name="repeated">There is one. False without a refusal: the key is new, and there is room for it.</param>
    public OperationError? Find(int tenant, IdempotencyTerms terms, out TaskId id, out bool repeated)
    {
        ArgumentNullException.ThrowIfNull(terms);
        Forget();
        repeated = _known.TryGetValue((tenant, terms.Key), out var known);
        id = known.Id;
        if (!repeated)
        {
            return _known.Count < options.MaxKeys
                ? null
                : new OperationError(
                    ErrorCode.ResourceExhausted, $"{options.MaxKeys} idempotency keys are remembered: the bound life.idempotency_keys", "idempotency_key", 1000);
        }

        if (known.Fingerprint == terms.Fingerprint)
        {
            _repeats++;
            return null;
        }

        _conflicts++;
        return new OperationError(
            ErrorCode.Conflict,
            $"the key '{terms.Key}' was used {time.GetElapsedTime(known.At).TotalSeconds:0} s ago for task {known.Id} with other parameters: use a new key for another task",
            "idempotency_key");
    }

    /// <summary>The task of a new key was admitted. Inside the same <see cref="Enter"/> as the <see cref="Find"/> that said so.</summary>
    public void Add(int tenant, IdempotencyTerms terms, TaskId id)
    {
        ArgumentNullException.ThrowIfNull(terms);
        var now = time.GetTimestamp();
        _known.Add((tenant, terms.Key), new Known(id, terms.Fingerprint, now));
        _order.Enqueue((tenant, terms.Key, now));
    }

    /// <summary>A key of an earlier start of the node; the oldest first. Before any submission. One that seems to come from the future (the clock was put back) is new.</summary>
    public void Restore(int tenant, IdempotencyTerms terms, TaskId id, TimeSpan age)
    {
        ArgumentNullException.ThrowIfNull(terms);
        lock (_lock)
        {
            age = age < TimeSpan.Zero ? TimeSpan.Zero : age;
            var at = time.GetTimestamp() - (long)(age.TotalSeconds * time.TimestampFrequency);
            if (_known.Count < options.MaxKeys && _known.TryAdd((tenant, terms.Key), new Known(id, terms.Fingerprint, at)))
            {
                _order.Enqueue((tenant, terms.Key, at));
            }
        }
    }

    /// <summary>The task of a key could not be stored after all: the key stands for nothing. Outside <see cref="Enter"/>.</summary>
    public void Remove(int tenant, IdempotencyTerms terms)
    {
        ArgumentNullException.ThrowIfNull(terms);
        lock (_lock)
        {
            _known.Remove((tenant, terms.Key)); // its place in the order finds nothing, or a later task of the key a little early
        }
    }

    private void Forget()
    {
        while (_order.TryPeek(out var oldest) && time.GetElapsedTime(oldest.At) > options.Window)
        {
            _order.Dequeue();
            _known.Remove((oldest.Tenant, oldest.Key));
        }
    }
}
