using System.Text;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Core.Lifecycle;

/// <summary>
/// The last progress that a task told. One writer (the completion thread) that never waits and allocates nothing; any number
/// of readers, who see one report, whole. Full and empty do not exist: each report replaces the one before.
/// </summary>
public sealed class ProgressCell
{
    /// <summary>One byte of percent (above 100: not told), then UTF-8.</summary>
    public const int MaxBytes = 201;

    private readonly byte[] _report = new byte[MaxBytes];
    private int _length;

    // SYNC POINT: odd while the writer is at work; a reader compares it before and after its copy.
    private int _version;

    /// <param name="report">At least one byte; what is over <see cref="MaxBytes"/> is cut.</param>
    public void Set(ReadOnlySpan<byte> report)
    {
        var length = Math.Min(report.Length, MaxBytes);
        Volatile.Write(ref _version, _version + 1);
        Volatile.WriteBarrier(); // the version is seen to be odd before any byte changes
        report[..length].CopyTo(_report);
        _length = length;
        Volatile.Write(ref _version, _version + 1);
    }

    public void Clear()
    {
        if (_length != 0)
        {
            Set([]);
        }
    }

    /// <summary>Null when nothing was told.</summary>
    public TaskProgress? Read()
    {
        Span<byte> copy = stackalloc byte[MaxBytes];
        while (true)
        {
            var version = Volatile.Read(ref _version);
            var length = _length;
            _report.CopyTo(copy);
            Volatile.ReadBarrier();
            if ((version & 1) == 0 && Volatile.Read(ref _version) == version)
            {
                return length == 0 ? null : new TaskProgress(copy[0] <= 100 ? copy[0] : null, Encoding.UTF8.GetString(copy[1..length]));
            }

            Thread.SpinWait(1);
        }
    }
}
