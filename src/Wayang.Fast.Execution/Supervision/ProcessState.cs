using System.Buffers.Text;
using Microsoft.Win32.SafeHandles;

namespace Wayang.Fast.Execution.Supervision;

/// <summary>What /proc says of a process: its state's letter and the processor time it has used, in ticks of the kernel.</summary>
internal readonly record struct ProcessState(char State, long CpuTicks)
{
    private const byte StateField = 0;
    private const byte UserTimeField = 11; // counted behind the name
    private const byte SystemTimeField = 12;

    /// <summary>Null when it is gone, or when /proc hides it.</summary>
    public static ProcessState? Read(int processId)
    {
        Span<byte> buffer = stackalloc byte[512];
        try
        {
            using SafeFileHandle file = File.OpenHandle(FormattableString.Invariant($"/proc/{processId}/stat"));
            var text = buffer[..RandomAccess.Read(file, buffer, 0)];

            // The name may hold anything, parentheses too: the last one ends it.
            var end = text.LastIndexOf((byte)')');
            return end < 0 || end + 2 >= text.Length ? null : Parse(text[(end + 2)..]);
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static ProcessState? Parse(ReadOnlySpan<byte> text)
    {
        var state = '\0';
        long ticks = 0;
        for (var field = 0; field <= SystemTimeField; field++)
        {
            var space = text.IndexOf((byte)' ');
            if (space <= 0)
            {
                return null;
            }

            if (field == StateField)
            {
                state = (char)text[0];
            }
            else if (field is UserTimeField or SystemTimeField)
            {
                if (!Utf8Parser.TryParse(text[..space], out long part, out _))
                {
                    return null;
                }

                ticks += part;
            }

            text = text[(space + 1)..];
        }

        return new ProcessState(state, ticks);
    }
}
