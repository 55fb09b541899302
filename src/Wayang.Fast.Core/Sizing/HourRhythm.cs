using System.Buffers.Binary;

namespace Wayang.Fast.Core.Sizing;

/// <summary>
/// What a pool needed in each minute of the hour: mean and mean deviation over the hours, each hour weighing half of what was before. Expected is
/// the mean less the deviation, so a minute counts only when it is alike hour after hour; one that was busy once by chance
/// is expected to be as it was before. 60 cells of nine bytes. One writer (the dispatch owner); others may read a recent state.
/// </summary>
public sealed class HourRhythm
{
    /// <summary>Bytes of <see cref="Write"/>.</summary>
    public const int SerializedBytes = Minutes * CellBytes;

    private const int Minutes = 60;
    private const int CellBytes = 9;
    private const float Weight = 0.5f;
    private const int LeastSeen = 2; // hours
    private const float MostWorkers = 65_536;

    private readonly float[] _mean = new float[Minutes];
    private readonly float[] _deviation = new float[Minutes];
    private readonly byte[] _seen = new byte[Minutes];
    private long _minute = -1; // since 1970; what is observed now belongs to it
    private int _peak;
    private bool _whole;

    /// <summary>Something was learned that is worth keeping.</summary>
    public bool IsKnown => Array.Exists(_mean, static m => m > 0);

    /// <summary>What the pool needs at this second. A minute is learned when it is over, if it was seen from its beginning.</summary>
    public void Observe(long unixSeconds, int need)
    {
        var minute = unixSeconds / 60;
        if (minute != _minute)
        {
            if (_minute >= 0 && _whole && minute == _minute + 1)
            {
                Learn((int)(_minute % Minutes), _peak);
            }

            _whole = minute == _minute + 1; // else the clock jumped, or this is the first: a part of a minute tells nothing
            _minute = minute;
            _peak = 0;
        }

        _peak = Math.Max(_peak, need);
    }

    /// <summary>Workers that are to be expected at that second at least; 0: nothing is known.</summary>
    public int Expect(long unixSeconds)
    {
        var cell = (int)(unixSeconds / 60 % Minutes);
        return _seen[cell] < LeastSeen ? 0 : (int)Math.Max(0, MathF.Round(_mean[cell] - _deviation[cell]));
    }

    /// <param name="to"><see cref="SerializedBytes"/>.</param>
    public void Write(Span<byte> to)
    {
        for (var i = 0; i < Minutes; i++, to = to[CellBytes..])
        {
            BinaryPrimitives.WriteSingleLittleEndian(to, _mean[i]);
            BinaryPrimitives.WriteSingleLittleEndian(to[4..], _deviation[i]);
            to[8] = _seen[i];
        }
    }

    /// <summary>Takes what <see cref="Write"/> wrote.</summary>
    /// <returns>False: malformed; nothing was taken.</returns>
    public bool TryRead(ReadOnlySpan<byte> from)
    {
        if (from.Length < SerializedBytes)
        {
            return false;
        }

        for (var i = 0; i < Minutes; i++)
        {
            var cell = from[(i * CellBytes)..];
            if (!IsCount(BinaryPrimitives.ReadSingleLittleEndian(cell)) || !IsCount(BinaryPrimitives.ReadSingleLittleEndian(cell[4..])))
            {
                return false;
            }
        }

        for (var i = 0; i < Minutes; i++, from = from[CellBytes..])
        {
            _mean[i] = BinaryPrimitives.ReadSingleLittleEndian(from);
            _deviation[i] = BinaryPrimitives.ReadSingleLittleEndian(from[4..]);
            _seen[i] = from[8];
        }

        return true;
    }

    /// <summary>Takes what another one knows. For what no pool has learned with yet.</summary>
    public void CopyFrom(HourRhythm other)
    {
        ArgumentNullException.ThrowIfNull(other);
        other._mean.CopyTo(_mean, 0);
        other._deviation.CopyTo(_deviation, 0);
        other._seen.CopyTo(_seen, 0);
    }

    private void Learn(int cell, int need)
    {
        if (_seen[cell] == 0)
        {
            _mean[cell] = need;
            _deviation[cell] = need / 2f;
        }
        else
        {
            var error = need - _mean[cell];
            _deviation[cell] += Weight * (MathF.Abs(error) - _deviation[cell]);
            _mean[cell] += Weight * error;
        }

        _seen[cell] = (byte)Math.Min(byte.MaxValue, _seen[cell] + 1);
    }

    private static bool IsCount(float value) => value is >= 0 and <= MostWorkers; // not a number is neither
}
