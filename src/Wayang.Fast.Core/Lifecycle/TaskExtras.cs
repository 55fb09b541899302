using System.Runtime.InteropServices;
using Wayang.Fast.Core.Admission;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Core.Resources;

namespace Wayang.Fast.Core.Lifecycle;

/// <summary>
/// What only some tasks have, and is made for them: a young object that an old one refers to. It stands beside the records and not in them, since a
/// collection of the young looks at each place (a card of 256 bytes) where such a reference was written, whatever became of it: in records that
/// was a third of a microsecond of the pause for each that ever had one since the last collection, here it is a few cards of one array.
/// </summary>
[StructLayout(LayoutKind.Auto)]
internal struct TaskExtras
{
    public CommandLine? Command;
    public TaskType? Type;
    public TenantGate? Quota;
    public TaskTerms? Terms;
    public TaskArtifacts? Artifacts;
    public ResultKey? ResultKey;
    public Waiter? Waiters;

    // SYNC POINT: made by a compare-exchange of any thread that holds the record.
    public TaskLife? Life;

    // SYNC POINT: written under the lifecycle's lock of this slot; a stream's writer looks at it after its bytes, behind a full fence.
    public StreamWatch? Watches;
}

/// <summary>
/// What each task has, and others made: connections and their targets, which are younger than the records for a long time. Apart from the records for the
/// same reason as <see cref="TaskExtras"/>, and apart from those, since it is written for each task.
/// </summary>
[StructLayout(LayoutKind.Auto)]
internal struct TaskLinks
{
    public ITaskObserver? Observer;
    public CallTarget? Target;
}
