using System.Text;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Memory;

namespace Wayang.Fast.Core.Lifecycle;

/// <summary>
/// The last progress that a task told. One writer (the completion thread) that never waits and allocates nothing; any number
/// of readers, who see one report, whole. Full and empty do not exist: each report replaces the one before. Its bytes stand in a
/// block of <paramref name="slabs"/>, which <see cref="Clear"/> gives back.
/// </summary>
public sealed class ProgressCell(PayloadSlabs slabs)
{
    /// <summary>One byte of percent (above 100: not told), then UTF-8.</summary>
    public const int MaxBytes = 201;

    // SYNC POINT: changed only while the version is odd.
    private uint _place;
    private int _length;

    // SYNC POINT: odd while the writer is at work; a reader compares it before and after its copy.
    private int _version;

    /// <summary>Bytes of the block that it holds; what retention counts.</summary>
    public int PooledBytes => _place == 0 ? 0 : slabs.Block(_place).Length;

    /// <param name="report">At least one byte; what is over <see cref="MaxBytes"/> is cut.</param>
    public void Set(ReadOnlySpan<byte> report)
    {
        var length = Math.Min(report.Length, MaxBytes);
        var place = _place != 0 ? _place : slabs.Rent(MaxBytes);
        Change(place, length, report[..length]);
    }

    public void Clear()
    {
        if (_place is not 0 and var place)
        {
            Change(0, 0, []);
            slabs.Return(place);
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
            var place = _place;
            var report = place == 0 ? [] : slabs.Block(place);
            report[..Math.Min(report.Length, MaxBytes)].CopyTo(copy);
            Volatile.ReadBarrier();
            if ((version & 1) == 0 && Volatile.Read(ref _version) == version)
            {
                return length == 0 ? null : new TaskProgress(copy[0] <= 100 ? copy[0] : null, Encoding.UTF8.GetString(copy[1..length]));
            }

            Thread.SpinWait(1);
        }
    }

    private void Change(uint place, int length, ReadOnlySpan<byte> report)
    {
        Volatile.Write(ref _version, _version + 1);
        Volatile.WriteBarrier(); // the version is seen to be odd before any byte changes
        _place = place;
        _length = length;
        if (length > 0)
        {
            report.CopyTo(slabs.Block(place));
        }

        Volatile.Write(ref _version, _version + 1);
    }
}
