namespace Wayang.Fast.Core.Ports;

/// <summary>What an operating system does for memory before somebody who is in a hurry writes to it. Any thread; the address is the caller's and pinned.</summary>
public interface IMemoryPages
{
    /// <summary>Asks for large pages, where the host has any: one of them is made in the time of ten small ones and is five hundred. A wish, no more.</summary>
    void PreferLarge(nint address, long bytes);

    /// <summary>Has the pages made without changing a byte, also beside somebody who writes there. Waits for the kernel.</summary>
    void Touch(nint address, long bytes);

    /// <summary>The calling thread makes pages before anybody needs them: who does goes first. For good: it is a thread of its own.</summary>
    void GiveWay();
}
