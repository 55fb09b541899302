using System.Runtime.InteropServices;

namespace Wayang.Fast.Interop;

/// <summary>Owns one descriptor and closes it once.</summary>
internal sealed class DescriptorHandle : SafeHandle
{
    public DescriptorHandle(int descriptor)
        : base(-1, ownsHandle: true) => SetHandle(descriptor);

    public override bool IsInvalid => handle < 0;

    /// <summary>The number, without counting a use: the owner keeps the handle alive around its calls.</summary>
    public int Descriptor => IsClosed ? throw new ObjectDisposedException(nameof(DescriptorHandle)) : (int)handle;

    protected override bool ReleaseHandle()
    {
        NativeMethods.wayang_close((int)handle);
        return true;
    }
}
