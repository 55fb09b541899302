using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Core.Lifecycle;

/// <summary>Somebody who waits for the next bytes of a stream.</summary>
internal sealed class StreamWatch(OutputStream stream, IStreamObserver observer)
{
    public OutputStream Stream { get; } = stream;
    public IStreamObserver Observer { get; } = observer;
    public StreamWatch? Next { get; set; }
}
