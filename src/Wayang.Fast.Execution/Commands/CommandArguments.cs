using System.Buffers.Binary;
using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Spawner;

namespace Wayang.Fast.Execution.Commands;

/// <summary>The block that tells init what to execute: see the end of <c>native/spawner/protocol.h</c>.</summary>
internal static class CommandArguments
{
    /// <summary>Refuses what the block cannot carry, before the task gets an id.</summary>
    public static OperationError? Validate(CommandLine command)
    {
        if (command.Arguments.Count == 0 || command.Arguments[0].Length == 0)
        {
            return new OperationError(ErrorCode.InvalidArgument, "argv must hold at least the program's name", "argv");
        }

        long bytes = 16;
        foreach (var argument in command.Arguments)
        {
            if (argument.Contains('\0', StringComparison.Ordinal))
            {
                return new OperationError(ErrorCode.InvalidArgument, "an argument holds a NUL character", "argv");
            }

            bytes += Encoding.UTF8.GetByteCount(argument) + 1;
        }

        foreach (var variable in command.Environment)
        {
            if (variable.Contains('\0', StringComparison.Ordinal) || variable.IndexOf('=', StringComparison.Ordinal) <= 0)
            {
                return new OperationError(ErrorCode.InvalidArgument, $"'{variable}' is not of the form NAME=value", "env");
            }

            bytes += Encoding.UTF8.GetByteCount(variable) + 1;
        }

        if (command.WorkingDirectory is { } directory)
        {
            if (directory.Length == 0 || directory[0] != '/' || directory.Contains('\0', StringComparison.Ordinal))
            {
                return new OperationError(ErrorCode.InvalidArgument, $"cwd must be an absolute path inside the sandbox, not '{directory}'", "cwd");
            }

            bytes += Encoding.UTF8.GetByteCount(directory);
        }

        return bytes + 1 > ProtocolLayout.ArgumentsMaxBytes
            ? new OperationError(ErrorCode.TooLarge, $"argv and env together have {bytes} bytes; the bound is {ProtocolLayout.ArgumentsMaxBytes}", "argv")
            : null;
    }

    /// <param name="defaults">Of its image.</param>
    /// <param name="before">Variables that the command's own go before; they go before the image's.</param>
    public static byte[] Encode(CommandLine command, CommandDefaults? defaults, IReadOnlyList<string> before)
    {
        before = defaults is null ? before : [.. defaults.Environment, .. before];
        using var stream = new MemoryStream(512);
        Span<byte> head = stackalloc byte[16];
        BinaryPrimitives.WriteUInt32LittleEndian(head, ProtocolLayout.ArgumentsMagic);
        BinaryPrimitives.WriteUInt32LittleEndian(head[4..], (uint)command.Arguments.Count);
        BinaryPrimitives.WriteUInt32LittleEndian(head[8..], (uint)(before.Count + command.Environment.Count));
        BinaryPrimitives.WriteUInt32LittleEndian(head[12..], 0);
        stream.Write(head);
        WriteString(stream, command.WorkingDirectory ?? defaults?.WorkingDirectory ?? string.Empty);
        foreach (var argument in command.Arguments)
        {
            WriteString(stream, argument);
        }

        foreach (var variable in before.Concat(command.Environment))
        {
            WriteString(stream, variable);
        }

        return stream.ToArray();
    }

    private static void WriteString(MemoryStream stream, string text)
    {
        stream.Write(Encoding.UTF8.GetBytes(text));
        stream.WriteByte(0);
    }
}
