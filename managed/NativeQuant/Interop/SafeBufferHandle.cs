namespace NativeQuant.Interop;

/// <summary>Owner of an nq_buffer.</summary>
internal sealed class SafeBufferHandle : NativeSafeHandle
{
    /// <inheritdoc/>
    protected override NqStatus Destroy(nint value) => NativeMethods.nq_buffer_destroy(value);
}
