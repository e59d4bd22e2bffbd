using System.Runtime.InteropServices;

namespace NativeQuant.Interop;

/// <summary>
/// Owner of one native object. Native handles are ids that outlive their object safely and a native child keeps its device alive, so the
/// handles may be released in any order, from any thread, also by the finalizer.
/// </summary>
internal abstract class NativeSafeHandle() : SafeHandle(invalidHandleValue: 0, ownsHandle: true)
{
    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>Calls the native function that ends the object's life.</summary>
    protected abstract NqStatus Destroy(nint value);

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => Destroy(handle) == NqStatus.Ok;
}
