using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Execution.Workers;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Completions;

/// <summary>
/// States that calls save, put together from their chunks. The channel's grammar says that the chunks of one follow each other and add up to what the first announced; what is
/// announced is bounded by what the worker was told, and by what the node has left for all states. One that never becomes whole is nobody's. Completion thread only.
/// </summary>
internal sealed class SaveReceiver(TaskLifecycle lifecycle, LiveOptions options)
{
    /// <returns>Null, or the rule that was broken.</returns>
    public string? Apply(CallWorker worker, TaskRecord record, in Completion completion, ReadOnlySpan<byte> payload)
    {
        if (completion.First)
        {
            var bound = worker.Channel.StateBytes;
            if (bound == 0 || completion.Total > bound)
            {
                return $"saved a state of {completion.Total} bytes; the bound is {bound}";
            }

            worker.DropSaving(); // of a call that ended in the middle of it
            worker.Saving = lifecycle.States.TryBegin((int)completion.Total, options.Current.MaxStatesBytes);
        }

        if (worker.Saving is not { } state)
        {
            return null; // there is no room for it: what was saved before stands
        }

        if (!state.TryAppend(payload))
        {
            return "saved more than it announced";
        }

        if (completion.Last)
        {
            worker.Saving = null;
            lifecycle.Save(record, state);
        }

        return null;
    }
}
