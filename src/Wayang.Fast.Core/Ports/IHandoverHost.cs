using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Core.Ports;

/// <summary>
/// Other nodes' calls that go on here. Their homes alone decide; each is named by its hand-over and belongs to the peer that offered it, nobody else finds it. What is not known is answered
/// <see cref="ErrorCode.NotFound"/>, for good. Everything may be asked again. Thread-safe.
/// </summary>
public interface IHandoverHost
{
    /// <summary>Whether a call could go on here, before anything of it stands still; completes when a worker takes what comes of it, where its shape is known, or a moment later.</summary>
    Task<OperationError?> OfferAsync(VisitOffer offer);

    /// <summary>A call comes on a connection of its own, or goes home on one (<see cref="CallStream"/>). Completes when nothing more is to be said on it.</summary>
    /// <param name="peer">Who opened it.</param>
    /// <param name="connection">Stays the caller's. One that is disposed meanwhile ends this.</param>
    /// <param name="patience">Until it has said what it is for.</param>
    Task CarryAsync(string peer, Stream connection, CancellationToken patience);

    /// <summary>It may go on, and its home does not any more. What is true of it when it does, or a moment later.</summary>
    Task<(VisitNews? News, OperationError? Refusal)> CommitAsync(string peer, string handover, CancellationToken cancellation);

    /// <summary>What is true of it now, or as soon as it is news.</summary>
    /// <param name="peer">Who asks.</param>
    /// <param name="handover">Which.</param>
    /// <param name="known">The news that the asker has; -1: none.</param>
    /// <param name="wait">So long at most.</param>
    /// <param name="cancellation">The node stops.</param>
    Task<(VisitNews? News, OperationError? Refusal)> WatchAsync(string peer, string handover, long known, TimeSpan wait, CancellationToken cancellation);

    /// <summary>Its call is written down for its home, and sent if that has opened a connection for it; it never goes on here.</summary>
    Task<OperationError?> RecallAsync(string peer, string handover);

    /// <summary>A piece of what it said.</summary>
    (VisitPiece? Piece, OperationError? Refusal) Read(string peer, string handover, VisitPart part, long offset);

    /// <summary>It is to end so.</summary>
    OperationError? Stop(string peer, string handover, TaskState state, in TaskCause cause);

    /// <summary>Its home needs nothing of it any more: whatever it does here is over.</summary>
    OperationError? Release(string peer, string handover);

    /// <summary>A peer said who it is: what an earlier start of it left here is nobody's.</summary>
    void OnGreeted(string peer, string boot);
}

/// <param name="Peer">Who offers it: its home.</param>
/// <param name="Boot">Of the start of the home that it belongs to.</param>
/// <param name="Handover">Its name.</param>
/// <param name="Task">Its id at home.</param>
/// <param name="Tenant">By name.</param>
/// <param name="Spec">As its home describes it.</param>
/// <param name="Shape">As <see cref="DepartingCall.Shape"/>.</param>
public readonly record struct VisitOffer(string Peer, string Boot, string Handover, TaskId Task, string Tenant, byte[] Spec, byte[] Shape);
