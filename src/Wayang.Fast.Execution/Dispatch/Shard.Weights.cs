using System.Runtime.CompilerServices;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Dispatch;

/// <content>What a worker weighs follows the calls that it gets.</content>
internal sealed partial class Shard
{
    // Not inlined: the first call of a second, and one of a higher class than those before it.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void NoteLevel(CallWorker worker, byte level)
    {
        if (worker.Weight.Note(level) is { } taskClass)
        {
            Supervisor.Weigh(worker, taskClass);
        }
    }
}
