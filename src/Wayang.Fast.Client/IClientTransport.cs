namespace Wayang.Fast.Client;

/// <summary>A connection to a node, whichever protocol it speaks: an operation's name and the map of its parameters go, the map of its result or a refusal comes. Thread-safe.</summary>
internal interface IClientTransport : IDisposable
{
    /// <summary>It broke; what is still pending ends with <see cref="Contracts.Errors.ErrorCode.NodeLost"/>, and the next call needs another one.</summary>
    bool IsLost { get; }

    /// <summary>Who stops waiting for a run takes its task along: the task is then submitted and waited for instead.</summary>
    bool EndsAbandonedRuns { get; }

    /// <exception cref="WayangException">The node refused it, or was lost.</exception>
    Task<T> CallAsync<T>(string operation, RequestEncoder encode, ResponseDecoder<T> decode, CancellationToken cancellation)
        where T : class;
}
