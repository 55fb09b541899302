using Wayang.Fast.Core.Lifecycle;

namespace Wayang.Fast.Execution.Workers;

/// <content>A state that one of its calls is saving.</content>
internal sealed partial class CallWorker
{
    /// <summary>The chunks so far; null: none, or there is no room for it. Completion thread only, until the worker is disposed.</summary>
    public SavedState? Saving { get; set; }

    /// <summary>Forgets a state that did not become whole.</summary>
    public void DropSaving()
    {
        Saving?.Release();
        Saving = null;
    }
}
