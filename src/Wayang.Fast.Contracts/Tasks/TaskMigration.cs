namespace Wayang.Fast.Contracts.Tasks;

/// <summary>What becomes of a running call that is to give its place back (<c>task.checkpoint</c>).</summary>
public enum TaskMigration : byte
{
    /// <summary>It is written down at whatever instruction it is, and goes on from there; where that cannot be, it is refused.</summary>
    Transparent = 0,

    /// <summary>It is ended, waits, and begins anew as its next attempt.</summary>
    Restart = 1,

    /// <summary>It stays where it runs: it is refused.</summary>
    Never = 2,

    /// <summary>It is asked to save its state and to yield, waits, and goes on from that state as its next attempt; where it does not answer in time, it is refused and goes on.</summary>
    Cooperative = 3,
}
