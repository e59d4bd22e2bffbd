namespace NativeQuant.Interop;

/// <summary>Owner of an nq_matrix.</summary>
internal sealed class SafeMatrixHandle : NativeSafeHandle
{
    /// <inheritdoc/>
    protected override NqStatus Destroy(nint value) => NativeMethods.nq_matrix_destroy(value);
}
