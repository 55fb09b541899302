using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Execution.Handover;

/// <summary>A call that begins anew on its way home, with what it saved. A thread of its own takes what comes.</summary>
internal sealed class ArrivingBeginning : IArrivingCall
{
    private readonly Stream _from;
    private readonly Task<CallBeginning> _beginning;

    /// <param name="from">The connection, behind its preface; owned.</param>
    /// <param name="mostSaved">Bytes of a state at most.</param>
    public ArrivingBeginning(Stream from, long mostSaved)
    {
        _from = from;
        _beginning = Task.Factory.StartNew(() => Take(new CallReceiver(from), mostSaved), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        Whole = BytesAsync();
    }

    public Task<long> Whole { get; }

    /// <summary>Once it is whole.</summary>
    public CallBeginning Keep() => _beginning.GetAwaiter().GetResult();

    public void Dispose()
    {
        _from.Dispose();
        _ = Whole.ContinueWith(static bytes => bytes.Exception, TaskScheduler.Default); // seen
    }

    private static CallBeginning Take(CallReceiver receiver, long mostSaved)
    {
        var beginning = CallBeginning.Receive(receiver, mostInput: 0, mostSaved);
        try
        {
            receiver.Say(new CallWord(CallWordKind.Kept, receiver.Received));
        }
        catch (EndOfStreamException)
        {
            // It is kept all the same: who sent it is told by other ways that it is not needed there.
        }

        return beginning;
    }

    private async Task<long> BytesAsync() => (await _beginning.ConfigureAwait(false)).Bytes;
}
