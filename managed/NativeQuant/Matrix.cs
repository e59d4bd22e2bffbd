using NativeQuant.Interop;

namespace NativeQuant;

/// <summary>
/// An immutable weight matrix [<see cref="Rows"/>, <see cref="Columns"/>] = [output features, input features], in the layout that its
/// device computes from.
/// </summary>
/// <remarks>Thread-safe. Keeps working when its <see cref="Device"/> is disposed first.</remarks>
public abstract class Matrix : IDisposable
{
    private protected Matrix(Device device, SafeMatrixHandle handle)
    {
        Device = device;
        Handle = handle;
        try
        {
            Errors.ThrowIfFailed(NativeMethods.nq_matrix_get_info(handle, out NqMatrixInfo info));
            Info = info;
            Rows = checked((long)info.Rows);
            Columns = checked((long)info.Columns);
            DataType = (DataType)info.Dtype;
            StorageBytes = checked((long)info.StorageBytes);
            ResidentBytes = checked((long)info.ResidentBytes);
        }
        catch
        {
            handle.Dispose();
            throw;
        }

        if (device.IsHostResident)
        {
            handle.AddMemoryPressure(ResidentBytes);
        }
    }

    /// <summary>The device that holds the matrix.</summary>
    public Device Device { get; }

    /// <summary>Output features.</summary>
    public long Rows { get; }

    /// <summary>Input features.</summary>
    public long Columns { get; }

    /// <summary>Dense: the element type held. Quantized: the type of the weights before quantization.</summary>
    public DataType DataType { get; }

    /// <summary>Bytes of the weights and their statistics in the exchange format: packed codes, absmax, SCB.</summary>
    public long StorageBytes { get; }

    /// <summary>Bytes of device memory that the matrix occupies.</summary>
    public long ResidentBytes { get; }

    internal SafeMatrixHandle Handle { get; }

    private protected NqMatrixInfo Info { get; }

    /// <summary>Writes the weights as numbers. Quantized weights: code times scale, one float32 rounding, then one to the output type.</summary>
    /// <param name="output">A float32, float16 or bfloat16 tensor [<see cref="Rows"/>, <see cref="Columns"/>] of the same device.</param>
    /// <exception cref="ArgumentException">The tensor has another shape, another kind of type, or belongs to another device.</exception>
    /// <exception cref="ObjectDisposedException">The matrix or the tensor's buffer was disposed.</exception>
    public void Dequantize(TensorView output)
    {
        Errors.ThrowIfFailed(NativeMethods.nq_matrix_dequantize(OpenHandle, output.ToNative(nameof(output))));
        GC.KeepAlive(output.Buffer);
    }

    /// <summary>Frees the matrix. May be called any number of times and from any thread; an operation under way finishes first.</summary>
    public void Dispose()
    {
        Handle.Dispose();
        GC.SuppressFinalize(this);
    }

    internal SafeMatrixHandle OpenHandle
    {
        get
        {
            Errors.ThrowIfDisposed(Handle, GetType().Name);
            return Handle;
        }
    }

    private protected static void CheckSource(Device device, in HostTensor source)
    {
        ArgumentNullException.ThrowIfNull(device);
        if (source.Address == 0)
        {
            throw Errors.NullAddress(nameof(source));
        }
    }

    private protected static unsafe HostTensor Describe(float* address, int count, long rows, long columns)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(columns, 1);
        return new HostTensor((nint)address, (long)count * sizeof(float), DataType.Float32, rows, columns, owner: null);
    }
}
