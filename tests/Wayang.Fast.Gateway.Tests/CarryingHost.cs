using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.Tests;

/// <summary>Remembers whose connections for calls came to it, and says a word on each. Knows no hand-over.</summary>
internal sealed class CarryingHost : IHandoverHost
{
    private readonly List<string> _peers = [];

    public IReadOnlyList<string> Peers
    {
        get
        {
            lock (_peers)
            {
                return [.. _peers];
            }
        }
    }

    public async Task CarryAsync(string peer, Stream connection, CancellationToken patience)
    {
        lock (_peers)
        {
            _peers.Add(peer);
        }

        await connection.WriteAsync(new CallWord(CallWordKind.Ready, 0).Encode(), patience);
        _ = await connection.ReadAsync(new byte[1], patience);
    }

    public Task<OperationError?> OfferAsync(VisitOffer offer) => Task.FromResult<OperationError?>(Unknown);

    public Task<(VisitNews? News, OperationError? Refusal)> CommitAsync(string peer, string handover, CancellationToken cancellation) => Task.FromResult<(VisitNews?, OperationError?)>((null, Unknown));

    public Task<(VisitNews? News, OperationError? Refusal)> WatchAsync(string peer, string handover, long known, TimeSpan wait, CancellationToken cancellation) =>
        Task.FromResult<(VisitNews?, OperationError?)>((null, Unknown));

    public Task<OperationError?> RecallAsync(string peer, string handover) => Task.FromResult<OperationError?>(Unknown);

    public (VisitPiece? Piece, OperationError? Refusal) Read(string peer, string handover, VisitPart part, long offset) => (null, Unknown);

    public OperationError? Stop(string peer, string handover, TaskState state, in TaskCause cause) => Unknown;

    public OperationError? Release(string peer, string handover) => Unknown;

    public void OnGreeted(string peer, string boot)
    {
        // Nothing of an earlier start is here.
    }

    private static OperationError Unknown => new(ErrorCode.NotFound, "no hand-over here", "handover");
}
