using NativeQuant.Interop;

namespace NativeQuant;

/// <summary>A matrix that holds one float32, float16 or bfloat16 number per weight.</summary>
public sealed class DenseMatrix : Matrix
{
    private DenseMatrix(Device device, SafeMatrixHandle handle)
        : base(device, handle)
    {
    }

    /// <summary>Makes a dense matrix from host memory.</summary>
    /// <param name="device">The device that will hold it.</param>
    /// <param name="source">float32, float16 or bfloat16 weights.</param>
    /// <param name="dataType">Element type to hold: float32, float16 or bfloat16; converted with one rounding.</param>
    /// <returns>The matrix.</returns>
    /// <exception cref="ArgumentException">A type is not a floating-point type, or <paramref name="source"/> describes nothing.</exception>
    /// <exception cref="NativeQuantOutOfMemoryException">The memory is not to be had.</exception>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public static unsafe DenseMatrix Create(Device device, in HostTensor source, DataType dataType)
    {
        CheckSource(device, source);
        NqStatus status = NativeMethods.nq_matrix_create_dense(
            device.OpenHandle,
            (ulong)source.Rows,
            (ulong)source.Columns,
            (NqDtype)source.DataType,
            (void*)source.Address,
            (ulong)source.ByteLength,
            (NqDtype)dataType,
            out SafeMatrixHandle handle);
        Errors.ThrowIfFailed(status);
        GC.KeepAlive(source.Owner);
        return new DenseMatrix(device, handle);
    }

    /// <summary>Makes a dense matrix from float32 values.</summary>
    /// <param name="device">The device that will hold it.</param>
    /// <param name="source"><paramref name="rows"/> · <paramref name="columns"/> values, row-major.</param>
    /// <param name="rows">Number of rows (output features).</param>
    /// <param name="columns">Number of columns (input features).</param>
    /// <param name="dataType">Element type to hold.</param>
    /// <returns>The matrix.</returns>
    /// <inheritdoc cref="Create(Device, in HostTensor, DataType)" path="/exception"/>
    public static unsafe DenseMatrix Create(Device device, ReadOnlySpan<float> source, long rows, long columns, DataType dataType = DataType.Float32)
    {
        fixed (float* address = source)
        {
            return Create(device, Describe(address, source.Length, rows, columns), dataType);
        }
    }
}
