using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Contracts.Operations;

/// <summary>The 64 levels and the classes that name ranges of them.</summary>
public static class PriorityLevels
{
    private static ReadOnlySpan<byte> Lowest => [0, 8, 24, 40, 56];

    private static ReadOnlySpan<byte> Highest => [7, 23, 39, 55, 63];

    private static ReadOnlySpan<byte> Defaults => [4, 16, 32, 48, 60];

    public static TaskClass ClassOf(byte level) => level switch
    {
        >= 56 => TaskClass.System,
        >= 40 => TaskClass.Urgent,
        >= 24 => TaskClass.Normal,
        >= 8 => TaskClass.Batch,
        _ => TaskClass.Idle,
    };

    public static byte DefaultOf(TaskClass taskClass) => Defaults[(int)taskClass];

    /// <summary>
    /// The level of a request: the class's default, or the priority when it lies in the class. A priority alone says its
    /// class. The class system belongs to the runtime and is refused.
    /// </summary>
    public static OperationError? Resolve(TaskClass? taskClass, int? priority, out byte level)
    {
        level = (byte)(priority ?? DefaultOf(taskClass ?? TaskClass.Normal));
        if (ClassOf(level) == TaskClass.System || taskClass == TaskClass.System)
        {
            return new(ErrorCode.PermissionDenied, "The class system (56-63) belongs to the runtime; urgent (40-55) is the highest to ask for.",
                priority is null ? "class" : "priority");
        }

        return taskClass is { } wanted && ClassOf(level) != wanted
            ? new(ErrorCode.InvalidArgument,
                $"'priority' {level} is outside the class {WireNames.Text(wanted)}: {Lowest[(int)wanted]} to {Highest[(int)wanted]}.", "priority")
            : null;
    }
}
