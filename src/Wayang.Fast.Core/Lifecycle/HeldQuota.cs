using System.Runtime.InteropServices;
using Wayang.Fast.Core.Admission;

namespace Wayang.Fast.Core.Lifecycle;

/// <summary>
/// What a queued task takes of its tenant's quotas, from admission until it is started, or until the last of its places in the scheduler came
/// up after it had ended: a pause or a move in between gives nothing back, and what was cancelled counts for as long as its place lies in the
/// queue. Read before the place is given up, because the record may be another task's right after.
/// </summary>
[StructLayout(LayoutKind.Auto)]
internal readonly struct HeldQuota
{
    private readonly TenantGate? _gate;
    private readonly int _bytes;

    private HeldQuota(TenantGate gate, int bytes) => (_gate, _bytes) = (gate, bytes);

    /// <summary>Of a record that cannot become another task's now.</summary>
    public static HeldQuota Of(TaskRecord record) => record.Quota is { } gate ? new HeldQuota(gate, record.AdmittedBytes) : default;

    /// <param name="record">Where the task goes on: it holds nothing any more, so that a later attempt gives back nothing twice.</param>
    public void Release(TaskRecord? record)
    {
        if (_gate is null)
        {
            return;
        }

        if (record is not null)
        {
            record.Quota = null;
        }

        _gate.Release(_bytes);
    }
}
