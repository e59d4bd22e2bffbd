using NativeQuant.Interop;

namespace NativeQuant;

/// <summary>
/// A matrix of int8 codes with one absmax (SCB) per row: the weight of LLM.int8(). Weight [r, c] = code · absmax[r] / 127. Costs
/// 8 + 32/columns bits per weight.
/// </summary>
/// <remarks>Source: arXiv 2208.07339; the values are those of bitsandbytes.</remarks>
public sealed class Matrix8Bit : Matrix
{
    private Matrix8Bit(Device device, SafeMatrixHandle handle)
        : base(device, handle)
    {
    }

    /// <summary>Quantizes host memory row-wise; as in bitsandbytes, each weight is rounded to float16 first.</summary>
    /// <param name="device">The device that will hold the matrix.</param>
    /// <param name="source">float32, float16 or bfloat16 weights.</param>
    /// <returns>The matrix.</returns>
    /// <exception cref="ArgumentException"><paramref name="source"/> describes nothing or is not of a floating-point type.</exception>
    /// <exception cref="InvalidWeightsException">A weight is NaN or infinite; the message names it.</exception>
    /// <exception cref="NativeQuantOutOfMemoryException">The memory is not to be had.</exception>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public static unsafe Matrix8Bit Quantize(Device device, in HostTensor source)
    {
        CheckSource(device, source);
        NqStatus status = NativeMethods.nq_matrix_quantize_8bit(
            device.OpenHandle,
            (ulong)source.Rows,
            (ulong)source.Columns,
            (NqDtype)source.DataType,
            (void*)source.Address,
            (ulong)source.ByteLength,
            out SafeMatrixHandle handle);
        Errors.ThrowIfFailed(status);
        GC.KeepAlive(source.Owner);
        return new Matrix8Bit(device, handle);
    }

    /// <summary>Quantizes float32 values row-wise.</summary>
    /// <param name="device">The device that will hold the matrix.</param>
    /// <param name="source"><paramref name="rows"/> · <paramref name="columns"/> values, row-major.</param>
    /// <param name="rows">Number of rows (output features).</param>
    /// <param name="columns">Number of columns (input features).</param>
    /// <returns>The matrix.</returns>
    /// <inheritdoc cref="Quantize(Device, in HostTensor)" path="/exception"/>
    public static unsafe Matrix8Bit Quantize(Device device, ReadOnlySpan<float> source, long rows, long columns)
    {
        fixed (float* address = source)
        {
            return Quantize(device, Describe(address, source.Length, rows, columns));
        }
    }

    /// <summary>Makes a matrix from its codes and row absmax. Nothing is requantized; <see cref="Export"/> returns the same bits.</summary>
    /// <param name="device">The device that will hold the matrix.</param>
    /// <param name="rows">Number of rows (output features), at least 1.</param>
    /// <param name="columns">Number of columns (input features), at least 1.</param>
    /// <param name="dataType">Type of the weights before quantization.</param>
    /// <param name="codes">Row-major codes, <paramref name="rows"/> · <paramref name="columns"/> of them.</param>
    /// <param name="rowAbsmax">One absmax (SCB) per row.</param>
    /// <returns>The matrix.</returns>
    /// <exception cref="ArgumentException">A span has the wrong length, or a number is out of range.</exception>
    /// <exception cref="NativeQuantOutOfMemoryException">The memory is not to be had.</exception>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public static Matrix8Bit Import(
        Device device,
        long rows,
        long columns,
        DataType dataType,
        ReadOnlySpan<sbyte> codes,
        ReadOnlySpan<float> rowAbsmax)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(columns, 1);
        CheckLength(nameof(codes), codes.Length, (Int128)rows * columns);
        CheckLength(nameof(rowAbsmax), rowAbsmax.Length, rows);
        NqStatus status = NativeMethods.nq_matrix_import_8bit(
            device.OpenHandle, (ulong)rows, (ulong)columns, (NqDtype)dataType, codes, rowAbsmax, out SafeMatrixHandle handle);
        Errors.ThrowIfFailed(status);
        return new Matrix8Bit(device, handle);
    }

    /// <summary>Writes codes and row absmax, bit for bit as they were quantized or imported.</summary>
    /// <param name="codes">Receives the row-major codes; <see cref="Matrix.Rows"/> · <see cref="Matrix.Columns"/> elements.</param>
    /// <param name="rowAbsmax">Receives one absmax (SCB) per row; <see cref="Matrix.Rows"/> elements.</param>
    /// <exception cref="ArgumentException">A span has the wrong length.</exception>
    /// <exception cref="ObjectDisposedException">The matrix was disposed.</exception>
    public void Export(Span<sbyte> codes, Span<float> rowAbsmax)
    {
        CheckLength(nameof(codes), codes.Length, (Int128)Rows * Columns);
        CheckLength(nameof(rowAbsmax), rowAbsmax.Length, Rows);
        Errors.ThrowIfFailed(NativeMethods.nq_matrix_export_8bit(OpenHandle, codes, rowAbsmax));
    }

    private static void CheckLength(string argument, int actual, Int128 expected)
    {
        if (actual != expected)
        {
            throw Errors.WrongLength(argument, expected, actual);
        }
    }
}
