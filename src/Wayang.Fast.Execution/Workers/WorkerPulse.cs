namespace Wayang.Fast.Execution.Workers;

/// <summary>Signs of life of a call worker, from look to look. Supervisor only.</summary>
internal sealed class WorkerPulse
{
    /// <summary>Everything that changes while it lives: its calls in flight and the processor time it has used.</summary>
    public long Signature { get; set; }

    /// <summary>Timestamp since when it has had calls and the signature has been the same; 0: it has none.</summary>
    public long QuietSince { get; set; }

    /// <summary>It was found asleep beside a call and was rung once more.</summary>
    public bool RungAgain { get; set; }

    public bool GivenUp { get; set; }
}
