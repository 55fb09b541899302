using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>Turns the checked parameters of a task into a submission. A call of a known target allocates nothing.</summary>
internal static class TaskRequest
{
    private const int MaxArgumentBytes = 128 << 10;

    public static OperationError? Bind(
        ReadOnlySpan<byte> frame, ReadOnlySpan<ParameterSlot> slots, TargetCache targets, out TaskSubmission submission)
    {
        submission = default;
        var kind = (TaskKind)(slots[TaskField.Kind].Number + 1);
        var command = (CommandLine?)null;
        var refusal = kind == TaskKind.Call ? CheckCall(slots) : CheckCommand(frame, slots, out command);
        if (refusal is not null)
        {
            return refusal;
        }

        refusal = PriorityLevels.Resolve(
            slots[TaskField.Class].Present ? (TaskClass)slots[TaskField.Class].Number : null,
            slots[TaskField.Priority].Present ? (int)slots[TaskField.Priority].Number : null,
            out var level);
        if (refusal is not null)
        {
            return refusal;
        }

        refusal = targets.Find(frame, slots, out var target);
        if (refusal is not null || target is null)
        {
            return refusal ?? new(ErrorCode.Internal, "The target was neither resolved nor refused.");
        }

        refusal = TermsRequest.Bind(frame, slots, out var terms);
        if (refusal is not null)
        {
            return refusal;
        }

        submission = new TaskSubmission
        {
            Terms = terms,
            Target = target,
            Data = slots[kind == TaskKind.Call ? TaskField.Data : TaskField.Stdin].Of(frame),
            Level = level,
            TimeoutMs = (uint)slots[TaskField.TimeoutMs].Number,
            Command = command,
        };
        return null;
    }

    /// <summary>Every operation on one task has its id first; the parameter reader has checked it.</summary>
    public static TaskId IdOf(ReadOnlySpan<byte> frame, ReadOnlySpan<ParameterSlot> slots) =>
        TaskId.TryParse(slots[0].Of(frame), out var id) ? id : default;

    private static OperationError? CheckCall(ReadOnlySpan<ParameterSlot> slots)
    {
        for (var field = TaskField.Argv; field <= TaskField.Stdin; field++)
        {
            if (slots[field].Present)
            {
                return ParameterReader.Refuse(OperationTable.TaskFields[field], "belongs to kind exec");
            }
        }

        return !slots[TaskField.Image].Present ? ParameterReader.Refuse(OperationTable.TaskFields[TaskField.Image], "is required for kind call")
            : !slots[TaskField.Function].Present ? ParameterReader.Refuse(OperationTable.TaskFields[TaskField.Function], "is required for kind call")
            : null;
    }

    private static OperationError? CheckCommand(ReadOnlySpan<byte> frame, ReadOnlySpan<ParameterSlot> slots, out CommandLine? command)
    {
        command = null;
        for (var field = TaskField.Function; field <= TaskField.Data; field++)
        {
            if (slots[field].Present)
            {
                return ParameterReader.Refuse(OperationTable.TaskFields[field], "belongs to kind call");
            }
        }

        if (!slots[TaskField.Argv].Present)
        {
            return ParameterReader.Refuse(OperationTable.TaskFields[TaskField.Argv], "is required for kind exec");
        }

        if (ReadTexts(frame, slots, TaskField.Argv, out var arguments) is { } badArgument)
        {
            return badArgument;
        }

        if (arguments[0].Length == 0)
        {
            return ParameterReader.Refuse(OperationTable.TaskFields[TaskField.Argv], "begins with an empty program name");
        }

        if (ReadTexts(frame, slots, TaskField.Env, out var environment) is { } badVariable)
        {
            return badVariable;
        }

        var directory = slots[TaskField.Cwd].Present ? Encoding.UTF8.GetString(slots[TaskField.Cwd].Of(frame)) : null;
        if (directory is not null && directory[0] != '/')
        {
            return ParameterReader.Refuse(OperationTable.TaskFields[TaskField.Cwd], "is not absolute");
        }

        command = new CommandLine(arguments, environment, directory);
        return null;
    }

    /// <summary>Reads argv, or env in either of its forms, as strings without NUL.</summary>
    private static OperationError? ReadTexts(ReadOnlySpan<byte> frame, ReadOnlySpan<ParameterSlot> slots, int field, out string[] texts)
    {
        texts = [];
        if (!slots[field].Present)
        {
            return null;
        }

        var reader = new MessagePackReader(slots[field].Of(frame));
        var isMap = reader.TryReadMapHeader(out var count);
        if (!isMap && !reader.TryReadArrayHeader(out count))
        {
            return ParameterReader.Refuse(OperationTable.TaskFields[field], "is a list");
        }

        texts = new string[count];
        for (var i = 0; i < count; i++)
        {
            if (ReadText(ref reader) is not { } text || (isMap && text.Contains('=', StringComparison.Ordinal)))
            {
                return ParameterReader.Refuse(OperationTable.TaskFields[field], "holds something that is no text, has a NUL or is over 128 KiB");
            }

            if (isMap)
            {
                if (ReadText(ref reader) is not { } value)
                {
                    return ParameterReader.Refuse(OperationTable.TaskFields[field], $"has no text for '{text}'");
                }

                text = $"{text}={value}";
            }

            if (field == TaskField.Env && text.IndexOf('=', StringComparison.Ordinal) <= 0)
            {
                return ParameterReader.Refuse(OperationTable.TaskFields[field], "has an item that is not NAME=value");
            }

            texts[i] = text;
        }

        return null;
    }

    private static string? ReadText(ref MessagePackReader reader) =>
        reader.TryReadStringOrBinary(out var utf8) && utf8.Length <= MaxArgumentBytes && !utf8.Contains((byte)0)
            && System.Text.Unicode.Utf8.IsValid(utf8)
            ? Encoding.UTF8.GetString(utf8)
            : null;
}
