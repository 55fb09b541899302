using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>Somebody who awaits more of a stream; told on a thread of the runtime's, goes on on the thread pool.</summary>
internal sealed class OutputWatch : IStreamObserver
{
    private readonly TaskCompletionSource _grown = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task Grown => _grown.Task;

    public void OnOutput() => _grown.TrySetResult();
}
