using System.Globalization;
using System.Text.Unicode;
using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Contracts.Tasks;

/// <summary>
/// Why a task was frozen and not another: numbers, of which a sentence is made when somebody reads it (tasks are frozen far more often than anybody asks why), or the sentence that a
/// node told. A value.
/// </summary>
public readonly record struct PreemptionReason
{
    /// <summary>Bytes of UTF-8 that any sentence made of numbers fits in.</summary>
    public const int MaxBytes = 256;

    private readonly string? _told;
    private readonly TaskClass _victim;
    private readonly TaskClass _waiting;
    private readonly double _ranMilliseconds;
    private readonly long _mebibytes;

    /// <param name="told">As a node told it.</param>
    public PreemptionReason(string told)
    {
        ArgumentNullException.ThrowIfNull(told);
        _told = told;
    }

    /// <param name="victim">Class of the task that is frozen.</param>
    /// <param name="waiting">Class of the one that gets its slot.</param>
    /// <param name="ran">What the first ran so far.</param>
    /// <param name="bytes">Memory that it holds.</param>
    public PreemptionReason(TaskClass victim, TaskClass waiting, TimeSpan ran, long bytes) =>
        (_victim, _waiting, _ranMilliseconds, _mebibytes) = (victim, waiting, ran.TotalMilliseconds, bytes >> 20);

    /// <summary>Writes the sentence as UTF-8 and allocates nothing.</summary>
    /// <returns>False: a node told it, or there is no room (<see cref="MaxBytes"/>); <see cref="ToString"/> has it.</returns>
    public bool TryFormat(Span<byte> utf8, out int written)
    {
        written = 0;
        return _told is null && Utf8.TryWrite(
            utf8, CultureInfo.InvariantCulture,
            $"class {WireNames.Text(_victim)} yields to {WireNames.Text(_waiting)}: of the lowest class it had run least ({_ranMilliseconds:0.#} ms) for what it holds ({_mebibytes} MiB)",
            out written);
    }

    public override string ToString()
    {
        Span<byte> utf8 = stackalloc byte[MaxBytes];
        return _told ?? (TryFormat(utf8, out var written) ? System.Text.Encoding.UTF8.GetString(utf8[..written]) : string.Empty);
    }
}
