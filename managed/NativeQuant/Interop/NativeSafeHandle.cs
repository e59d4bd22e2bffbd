using System.Runtime.InteropServices;

namespace NativeQuant.Interop;

/// <summary>
/// Owner of one native object. Native handles are ids that outlive their object safely and a native child keeps its device alive, so the
/// handles may be released in any order, from any thread, also by the finalizer.
/// </summary>
internal abstract class NativeSafeHandle() : SafeHandle(invalidHandleValue: 0, ownsHandle: true)
{
    private long _pressure;

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>Tells the garbage collector how much memory of this process releasing the handle would free. At most once, before anyone else sees the handle.</summary>
    internal void AddMemoryPressure(long bytes)
    {
        if (bytes > 0)
        {
            GC.AddMemoryPressure(bytes);
            _pressure = bytes;
        }
    }

    /// <summary>Calls the native function that ends the object's life.</summary>
    protected abstract NqStatus Destroy(nint value);

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        if (_pressure > 0)
        {
            GC.RemoveMemoryPressure(_pressure);
        }

        return Destroy(handle) == NqStatus.Ok;
    }
}
