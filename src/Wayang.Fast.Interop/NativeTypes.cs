using System.Runtime.InteropServices;
using System.Text;

namespace Wayang.Fast.Interop;

/// <summary>Mirror of wy_status.</summary>
public enum NativeStatus
{
    Ok = 0,
    Empty = 1,
    Full = 2,
    TimedOut = 3,
    Closed = 4,
    Invalid = 5,
    Corrupt = 6,
    TooBig = 7,
    Denied = 8,
    Unsupported = 9,
    NoMemory = 10,
    SystemCall = 11,
}

/// <summary>Mirror of wayang_error.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeError
{
    public const int WhereBytes = 32;
    public const int MessageBytes = 216;

    public int Status;
    public int SystemError;
    public fixed byte Where[WhereBytes];
    public fixed byte Message[MessageBytes];

    /// <summary>The one place where a native failure becomes an exception.</summary>
    public static void ThrowIfFailed(int status, NativeError* error)
    {
        if (status != 0)
        {
            throw new NativeException(
                (NativeStatus)status, error->SystemError, Text(error->Where, WhereBytes), Text(error->Message, MessageBytes));
        }
    }

    private static string Text(byte* bytes, int capacity)
    {
        var span = new ReadOnlySpan<byte>(bytes, capacity);
        int end = span.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? span : span[..end]);
    }
}

/// <summary>Mirror of wayang_geometry.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NativeGeometry
{
    public uint RequestSlots;
    public uint RequestArenaBytes;
    public uint CompletionSlots;
    public uint CompletionArenaBytes;
    public uint WorkerSpin;
    public uint Reserved;
    public ulong MaxPayload;
    public ulong Epoch;
}

/// <summary>Mirror of wayang_channel.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeChannel
{
    public byte* D;
    public byte* W;
    public ulong DBytes;
    public ulong WBytes;
    public int DFile;
    public int WFile;
    public int Doorbell;
    public int Reserved;
}

/// <summary>A system call that failed in native code.</summary>
public sealed class NativeException : IOException
{
    public NativeException()
    {
    }

    public NativeException(string message)
        : base(message)
    {
    }

    public NativeException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    public NativeException(NativeStatus status, int systemError, string where, string message)
        : base(systemError == 0 ? $"{where}: {message}" : $"{where}: {message} (errno {systemError})")
    {
        Status = status;
        SystemError = systemError;
        Where = where;
    }

    public NativeStatus Status { get; }

    /// <summary>errno, or 0.</summary>
    public int SystemError { get; }

    /// <summary>The native function or step.</summary>
    public string Where { get; } = "";
}
