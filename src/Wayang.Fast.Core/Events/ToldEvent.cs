using System.Runtime.InteropServices;

namespace Wayang.Fast.Core.Events;

/// <summary>
/// What happened, as it was told: an event that somebody made, or the end of a task, of which an event is made when somebody wants to read it. So an end that nobody reads costs a
/// copy into a place that is there.
/// </summary>
/// <param name="Made">Null: it is an end.</param>
/// <param name="End">The end, if it is one.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct ToldEvent(NodeEvent? Made, EndedTask End)
{
    /// <summary>It is the end of a task that is not durable.</summary>
    public bool IsEnd => Made is null;

    /// <summary>As an event without a number.</summary>
    public NodeEvent ToEvent() => Made ?? End.ToEvent();

    /// <summary>As the event of that number.</summary>
    public NodeEvent ToEvent(long sequence)
    {
        var made = ToEvent();
        return made.Sequence == sequence ? made : made with { Sequence = sequence };
    }
}
