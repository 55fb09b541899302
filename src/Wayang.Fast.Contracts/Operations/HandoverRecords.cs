using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Contracts.Operations;

/// <summary>Where a visit stands.</summary>
public enum VisitState : byte
{
    /// <summary>It could go on here; its file is on the way.</summary>
    Offered = 0,

    /// <summary>Its file is whole. It does not go on before it is told to.</summary>
    Prepared,

    /// <summary>It was told to go on, and is about to.</summary>
    Adopted,

    /// <summary>Its call goes on here.</summary>
    Begun,

    /// <summary>It is over, and its end is kept for its home.</summary>
    Ended,

    /// <summary>It did not go on here, or was called back: it never will by this hand-over.</summary>
    Returned,
}

/// <summary>What can be read of a visit.</summary>
public enum VisitPart : byte
{
    Output = 0,
    Stdout,
    Stderr,
    Log,

    /// <summary>What its call has saved, as of the news.</summary>
    Saved,
}

/// <param name="Number">Higher than that of all news before.</param>
/// <param name="Lengths">Of output, stdout, stderr and log, in this order.</param>
/// <param name="Progress">As the call said last; empty: nothing.</param>
public sealed record VisitNews(long Number, VisitState State, IReadOnlyList<long> Lengths, ReadOnlyMemory<byte> Progress)
{
    /// <summary>For how long it goes on there by now; zero: it does not yet.</summary>
    public TimeSpan GoesOnFor { get; init; }

    /// <summary>Of <see cref="VisitState.Ended"/>.</summary>
    public VisitEnd? End { get; init; }

    /// <summary>Of <see cref="VisitState.Returned"/>: why it did not go on; null: it was called back, and its file is there.</summary>
    public string? Reason { get; init; }

    /// <summary>Of the file that it goes back with; 0: there is none.</summary>
    public long FileBytes { get; init; }

    /// <summary>For how long the call in it stands still by now; zero: not known.</summary>
    public TimeSpan Standing { get; init; }

    /// <summary>How often its task had saved a state when the one was copied that can be read until the next news; 0: none can.</summary>
    public long SavedTimes { get; init; }

    /// <summary>Bytes of that state.</summary>
    public long SavedBytes { get; init; }
}

/// <summary>A piece of what a call said at another node.</summary>
/// <param name="Data">Empty: there is no more.</param>
public sealed record VisitPiece(ReadOnlyMemory<byte> Data);

/// <summary>How a call ended at another node.</summary>
public sealed record VisitEnd(TaskState State, TaskCause Cause)
{
    public ulong PeakMemoryBytes { get; init; }

    public ulong CpuMicroseconds { get; init; }
}
