namespace NativeQuant.Interop;

/// <summary>Owner of an nq_kv_cache.</summary>
internal sealed class SafeKvCacheHandle : NativeSafeHandle
{
    /// <inheritdoc/>
    protected override NqStatus Destroy(nint value) => NativeMethods.nq_kv_cache_destroy(value);
}
