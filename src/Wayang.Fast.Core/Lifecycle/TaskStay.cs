namespace Wayang.Fast.Core.Lifecycle;

/// <summary>
/// That a task's call goes on at another node. While it stands, nothing here continues or ends the task but the word of who holds this very stay.
/// </summary>
/// <param name="Node">The other node.</param>
/// <param name="Handover">Names the hand-over: no two are called alike.</param>
/// <param name="Stop">Asks that it be ended there; called on the completion thread, must not block or throw.</param>
public sealed record TaskStay(string Node, string Handover, Action<AskedEnd> Stop);

/// <summary>Told what becomes of a call that runs here for another node. Called by the runtime's threads: must not block or throw.</summary>
public interface IVisit
{
    /// <summary>The node whose task it is.</summary>
    string Home { get; }

    /// <summary>Its call goes on here, now. The dispatch owner.</summary>
    void OnBegun();

    /// <summary>Its call could not go on here, and did not. Completion thread.</summary>
    void OnReturned(string why);
}
