using System.Buffers.Binary;
using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Execution.Images;

/// <summary>
/// What the zygote of a Python image gets: the module's code, its file's name and its preload list in one piece, whose hash is
/// the image's identity. Mirrors <c>native/python/source.h</c>.
/// </summary>
internal static class PythonSource
{
    public const ulong Magic = 0x31474D4959505957;
    public const uint Version = 1;
    public const int HeaderBytes = 32;
    public const int MaxModuleBytes = 128;
    public const int MaxNameBytes = 64;
    public const int MaxCodeBytes = 1 << 20;
    public const string DefaultName = "image.py";

    /// <returns>Null when it can be packed, else what is wrong with it.</returns>
    public static OperationError? Refuse(ImageUpload upload)
    {
        var code = upload.Data.Span;
        if (code.Length > MaxCodeBytes)
        {
            return new OperationError(ErrorCode.TooLarge, $"the module has {code.Length} bytes; at most {MaxCodeBytes} are taken. Send data with the tasks, not in the code", "data");
        }

        if (code.IsEmpty || code.Contains((byte)0))
        {
            return new OperationError(ErrorCode.InvalidArgument, code.IsEmpty ? "the module is empty" : "data holds a NUL byte: it is no Python source", "data");
        }

        if (upload.Preload.Count > OperationTable.MaxPreload)
        {
            return new OperationError(ErrorCode.InvalidArgument, $"preload names {upload.Preload.Count} modules; at most {OperationTable.MaxPreload} are taken", "preload");
        }

        return upload.Preload.FirstOrDefault(static m => !IsModule(m)) is { } module
            ? new OperationError(ErrorCode.InvalidArgument, $"preload: '{module}' is no name of a module (as in an import statement: json, xml.dom)", "preload")
            : null;
    }

    public static byte[] Pack(ImageUpload upload)
    {
        var preload = string.Concat(upload.Preload.Select(static m => m + '\0'));
        var name = ShownName(upload.FileName) + '\0';
        var source = new byte[HeaderBytes + preload.Length + name.Length + upload.Data.Length];
        BinaryPrimitives.WriteUInt64LittleEndian(source, Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(source.AsSpan(8), Version);
        BinaryPrimitives.WriteUInt32LittleEndian(source.AsSpan(12), (uint)upload.Preload.Count);
        BinaryPrimitives.WriteUInt32LittleEndian(source.AsSpan(16), (uint)preload.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(source.AsSpan(20), (uint)name.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(source.AsSpan(24), (uint)upload.Data.Length);
        Encoding.ASCII.GetBytes(preload + name, source.AsSpan(HeaderBytes));
        upload.Data.Span.CopyTo(source.AsSpan(HeaderBytes + preload.Length + name.Length));
        return source;
    }

    private static bool IsModule(string name) =>
        name.Length < MaxModuleBytes && name.Split('.').All(static part =>
            part.Length > 0 && !char.IsAsciiDigit(part[0]) && part.All(static c => char.IsAsciiLetterOrDigit(c) || c == '_'));

    /// <summary>A name for tracebacks, not for opening: what the format has no room for becomes an underscore, or is cut.</summary>
    private static string ShownName(string? name)
    {
        if (string.IsNullOrEmpty(name))
        {
            return DefaultName;
        }

        var shown = string.Concat(name.Select(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' ? c : '_'));
        shown = shown[Math.Max(0, shown.Length - (MaxNameBytes - 1))..];
        return shown[0] == '.' ? '_' + shown[1..] : shown;
    }
}
