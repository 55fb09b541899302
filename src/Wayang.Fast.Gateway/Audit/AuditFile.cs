namespace Wayang.Fast.Gateway.Audit;

/// <summary>
/// The files of the audit log: <c>audit-NNNNNN.jsonl</c>, the highest number is written. Whole lines are appended and reach the disk before
/// <see cref="Append"/> returns; what was written only in part is taken back. One thread.
/// </summary>
internal sealed class AuditFile(AuditOptions options) : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private FileStream? _lock;
    private FileStream? _file;
    private long _length;
    private int _number;

    /// <exception cref="IOException">It could not be written, and nothing of it stands there.</exception>
    /// <exception cref="UnauthorizedAccessException">As above.</exception>
    public void Append(ReadOnlySpan<byte> lines)
    {
        try
        {
            Open();
            if (_length > 0 && _length + lines.Length > options.FileBytes)
            {
                Begin(_number + 1);
            }

            RandomAccess.Write(_file!.SafeFileHandle, lines, _length);
            RandomAccess.FlushToDisk(_file.SafeFileHandle);
            _length += lines.Length;
        }
        catch
        {
            TakeBack();
            throw;
        }
    }

    public void Dispose()
    {
        _file?.Dispose();
        _lock?.Dispose();
    }

    private void Open()
    {
        if (_file is not null)
        {
            return;
        }

        // Another daemon on the same directory would write over our lines.
        _lock ??= OpenFile(Path.Combine(options.Directory, "audit.lock"), FileShare.None);
        Begin(AuditFiles.In(options.Directory) is [.., var last] ? last.Number : 1);
        if (_length > 0)
        {
            EndLine();
        }
    }

    private void Begin(int number)
    {
        var next = OpenFile(AuditFiles.PathOf(options.Directory, number), FileShare.ReadWrite);
        _file?.Dispose();
        (_file, _number, _length) = (next, number, next.Length);
        foreach (var (old, path) in AuditFiles.In(options.Directory))
        {
            if (old <= number - options.Files)
            {
                File.Delete(path);
            }
        }
    }

    /// <summary>A loss of power may have left half a line: what follows it stands on a line of its own.</summary>
    private void EndLine()
    {
        Span<byte> last = stackalloc byte[1];
        if (RandomAccess.Read(_file!.SafeFileHandle, last, _length - 1) == 1 && last[0] != (byte)'\n')
        {
            RandomAccess.Write(_file.SafeFileHandle, "\n"u8, _length++);
        }
    }

    private void TakeBack()
    {
        try
        {
            if (_file is not null && RandomAccess.GetLength(_file.SafeFileHandle) > _length)
            {
                RandomAccess.SetLength(_file.SafeFileHandle, _length);
            }
        }
        catch (IOException)
        {
            // Half a line stays: it is ended when the file is opened again.
        }

        _file?.Dispose();
        _file = null;
    }

    private static FileStream OpenFile(string path, FileShare share)
    {
        var options = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = share, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = OwnerOnly;
        }

        var file = new FileStream(path, options);
        if (!OperatingSystem.IsWindows() && File.GetUnixFileMode(file.SafeFileHandle) != OwnerOnly)
        {
            File.SetUnixFileMode(file.SafeFileHandle, OwnerOnly);
        }

        return file;
    }
}
