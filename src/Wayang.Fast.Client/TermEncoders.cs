using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Client;

/// <summary>Writes the terms of a task, after its other keys and in the order of the operation table.</summary>
internal static class TermEncoders
{
    /// <summary>How many keys <see cref="Write"/> writes.</summary>
    public static int Count(TaskSpec spec)
    {
        return spec.Pure ? 1 : 0;
    }

    public static void Write(ref MessagePackWriter writer, TaskSpec spec)
    {
        if (spec.Pure)
        {
            writer.WriteString("pure"u8);
            writer.WriteBoolean(true);
        }
    }
}
