namespace Wayang.Fast.Gateway.Auth;

/// <summary>Bytes that several share: all connections of an identity, and above them all connections. Any thread; lock-free.</summary>
internal sealed class ByteBudget(long limit, ByteBudget? above = null)
{
    private long _used;

    public long Used => Interlocked.Read(ref _used);

    public bool TryTake(long bytes)
    {
        if (Interlocked.Add(ref _used, bytes) <= limit && above?.TryTake(bytes) != false)
        {
            return true;
        }

        Interlocked.Add(ref _used, -bytes);
        return false;
    }

    public void Return(long bytes)
    {
        Interlocked.Add(ref _used, -bytes);
        above?.Return(bytes);
    }
}
