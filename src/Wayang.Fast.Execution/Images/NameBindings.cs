namespace Wayang.Fast.Execution.Images;

/// <summary>A number that grows when a name of an image comes to mean something else. Any thread.</summary>
internal sealed class NameBindings
{
    private int _version;

    public int Version => Volatile.Read(ref _version);

    public void Change() => Interlocked.Increment(ref _version);
}
