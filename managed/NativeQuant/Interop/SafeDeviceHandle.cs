namespace NativeQuant.Interop;

/// <summary>Owner of an nq_device.</summary>
internal sealed class SafeDeviceHandle : NativeSafeHandle
{
    /// <inheritdoc/>
    protected override NqStatus Destroy(nint value) => NativeMethods.nq_device_destroy(value);
}
