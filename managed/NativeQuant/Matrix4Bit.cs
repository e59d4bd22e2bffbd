using NativeQuant.Interop;

namespace NativeQuant;

/// <summary>
/// A matrix of 4-bit codes with one absmax per block of weights, optionally with the absmax themselves in 8 bits (double quantization).
/// </summary>
/// <remarks>
/// Cost per weight: 4 + 32/blocksize bits plain, 4 + 8/blocksize + 32/(256 · blocksize) bits with double quantization; at blocksize 64 that
/// is 4.5 and 4.127 bits. Source: QLoRA, arXiv 2305.14314; the values are those of bitsandbytes.
/// </remarks>
public sealed class Matrix4Bit : Matrix
{
    private Matrix4Bit(Device device, SafeMatrixHandle handle)
        : base(device, handle)
    {
        QuantType = (QuantType)Info.QuantType;
        Blocksize = checked((int)Info.Blocksize);
        NestedBlocksize = checked((int)Info.NestedBlocksize);
    }

    /// <summary>Codebook.</summary>
    public QuantType QuantType { get; }

    /// <summary>Weights per absmax, counted over the flat row-major matrix.</summary>
    public int Blocksize { get; }

    /// <summary>absmax values per nested absmax (256), 0 if the absmax are plain float32.</summary>
    public int NestedBlocksize { get; }

    /// <summary>Quantizes host memory.</summary>
    /// <param name="device">The device that will hold the matrix.</param>
    /// <param name="source">float32, float16 or bfloat16 weights.</param>
    /// <param name="quantType">Codebook.</param>
    /// <param name="blocksize">Weights per absmax: 32, 64, 128, 256, 512, 1024, 2048 or 4096.</param>
    /// <param name="doubleQuant">Whether to hold the absmax in 8 bits (<c>bnb_4bit_use_double_quant</c>).</param>
    /// <returns>The matrix.</returns>
    /// <exception cref="ArgumentException">An argument is out of range, or <paramref name="source"/> describes nothing.</exception>
    /// <exception cref="InvalidWeightsException">A weight is NaN or infinite; the message names it.</exception>
    /// <exception cref="NativeQuantOutOfMemoryException">The memory is not to be had.</exception>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public static unsafe Matrix4Bit Quantize(Device device, in HostTensor source, QuantType quantType, int blocksize = 64, bool doubleQuant = false)
    {
        CheckSource(device, source);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(blocksize);
        NqStatus status = NativeMethods.nq_matrix_quantize_4bit(
            device.OpenHandle,
            (ulong)source.Rows,
            (ulong)source.Columns,
            (NqDtype)source.DataType,
            (void*)source.Address,
            (ulong)source.ByteLength,
            (NqQuantType)quantType,
            (uint)blocksize,
            doubleQuant ? 1 : 0,
            out SafeMatrixHandle handle);
        Errors.ThrowIfFailed(status);
        GC.KeepAlive(source.Owner);
        return new Matrix4Bit(device, handle);
    }

    /// <summary>Quantizes float32 values.</summary>
    /// <param name="device">The device that will hold the matrix.</param>
    /// <param name="source"><paramref name="rows"/> · <paramref name="columns"/> values, row-major.</param>
    /// <param name="rows">Number of rows (output features).</param>
    /// <param name="columns">Number of columns (input features).</param>
    /// <param name="quantType">Codebook.</param>
    /// <param name="blocksize">Weights per absmax.</param>
    /// <param name="doubleQuant">Whether to hold the absmax in 8 bits.</param>
    /// <returns>The matrix.</returns>
    /// <inheritdoc cref="Quantize(Device, in HostTensor, QuantType, int, bool)" path="/exception"/>
    public static unsafe Matrix4Bit Quantize(
        Device device,
        ReadOnlySpan<float> source,
        long rows,
        long columns,
        QuantType quantType,
        int blocksize = 64,
        bool doubleQuant = false)
    {
        fixed (float* address = source)
        {
            return Quantize(device, Describe(address, source.Length, rows, columns), quantType, blocksize, doubleQuant);
        }
    }

    /// <summary>Makes a matrix from the exchange format. Nothing is requantized; <see cref="Export"/> returns the same bits.</summary>
    /// <param name="device">The device that will hold the matrix.</param>
    /// <param name="storage">Codes and statistics.</param>
    /// <returns>The matrix.</returns>
    /// <exception cref="ArgumentException">An array is missing, superfluous or of the wrong length, or a number is out of range.</exception>
    /// <exception cref="NativeQuantOutOfMemoryException">The memory is not to be had.</exception>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public static unsafe Matrix4Bit Import(Device device, Matrix4BitStorage storage)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(storage);
        storage.Check(nameof(storage));
        SafeMatrixHandle handle;
        fixed (byte* packed = storage.Packed, codes = storage.AbsmaxCodes)
        fixed (float* absmax = storage.Absmax, nestedAbsmax = storage.NestedAbsmax, nestedMap = storage.NestedMap)
        {
            var native = new NqMatrix4BitStorage
            {
                Rows = (ulong)storage.Rows,
                Columns = (ulong)storage.Columns,
                QuantType = (NqQuantType)storage.QuantType,
                Dtype = (NqDtype)storage.DataType,
                Blocksize = (uint)storage.Blocksize,
                NestedBlocksize = (uint)storage.NestedBlocksize,
                Packed = packed,
                Absmax = absmax,
                AbsmaxCodes = codes,
                NestedAbsmax = nestedAbsmax,
                NestedMap = nestedMap,
                NestedOffset = storage.NestedOffset,
            };
            Errors.ThrowIfFailed(NativeMethods.nq_matrix_import_4bit(device.OpenHandle, native, out handle));
        }

        return new Matrix4Bit(device, handle);
    }

    /// <summary>The matrix in the exchange format, bit for bit as it was quantized or imported.</summary>
    /// <returns>A copy of codes and statistics.</returns>
    /// <exception cref="NotSupportedException">The packed codes are longer than a managed array can be.</exception>
    /// <exception cref="ObjectDisposedException">The matrix was disposed.</exception>
    public unsafe Matrix4BitStorage Export()
    {
        Int128 count = (Int128)Rows * Columns;
        Int128 blocks = Matrix4BitStorage.DivideUp(count, Blocksize);
        bool nested = NestedBlocksize != 0;
        byte[] packed = Allocate<byte>(Matrix4BitStorage.DivideUp(count, 2));
        float[]? absmax = nested ? null : Allocate<float>(blocks);
        byte[]? absmaxCodes = nested ? Allocate<byte>(blocks) : null;
        float[]? nestedAbsmax = nested ? Allocate<float>(Matrix4BitStorage.DivideUp(blocks, NestedBlocksize)) : null;
        float[]? nestedMap = nested ? new float[256] : null;
        float nestedOffset;
        fixed (byte* packedAddress = packed, codesAddress = absmaxCodes)
        fixed (float* absmaxAddress = absmax, nestedAbsmaxAddress = nestedAbsmax, nestedMapAddress = nestedMap)
        {
            var native = new NqMatrix4BitStorage
            {
                Rows = Info.Rows,
                Columns = Info.Columns,
                QuantType = Info.QuantType,
                Dtype = Info.Dtype,
                Blocksize = Info.Blocksize,
                NestedBlocksize = Info.NestedBlocksize,
                Packed = packedAddress,
                Absmax = absmaxAddress,
                AbsmaxCodes = codesAddress,
                NestedAbsmax = nestedAbsmaxAddress,
                NestedMap = nestedMapAddress,
            };
            Errors.ThrowIfFailed(NativeMethods.nq_matrix_export_4bit(OpenHandle, ref native));
            nestedOffset = native.NestedOffset;
        }

        return new Matrix4BitStorage
        {
            Rows = Rows,
            Columns = Columns,
            QuantType = QuantType,
            DataType = DataType,
            Blocksize = Blocksize,
            NestedBlocksize = NestedBlocksize,
            Packed = packed,
            Absmax = absmax,
            AbsmaxCodes = absmaxCodes,
            NestedAbsmax = nestedAbsmax,
            NestedMap = nestedMap,
            NestedOffset = nestedOffset,
        };
    }

    private static T[] Allocate<T>(Int128 length) =>
        length <= Array.MaxLength ? GC.AllocateUninitializedArray<T>((int)length) : throw Errors.LongerThanAnArray(length);
}
