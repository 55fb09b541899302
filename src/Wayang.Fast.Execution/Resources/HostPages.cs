using Wayang.Fast.Core.Ports;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Resources;

/// <summary>The kernel's pages for the slabs of payloads.</summary>
internal sealed class HostPages : IMemoryPages
{
    public void PreferLarge(nint address, long bytes) => MemoryPages.PreferLarge(address, bytes);

    public void Touch(nint address, long bytes) => MemoryPages.Touch(address, bytes);

    public void GiveWay() => MemoryPages.GiveWay();
}
