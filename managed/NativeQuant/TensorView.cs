using System.Runtime.CompilerServices;
using NativeQuant.Interop;

namespace NativeQuant;

/// <summary>
/// A row-major view [<see cref="Rows"/>, <see cref="Columns"/>] into a <see cref="DeviceBuffer"/>: element (r, c) lies
/// <see cref="ByteOffset"/> + (r · <see cref="RowStride"/> + c) · element size bytes from the start of the buffer.
/// </summary>
/// <remarks>
/// An immutable value without ownership, made by <see cref="DeviceBuffer.View"/>; every view lies inside its buffer. Using one after its
/// buffer was disposed gives <see cref="ObjectDisposedException"/>. The default value views nothing; operations refuse it, and
/// views without elements.
/// </remarks>
public readonly struct TensorView
{
    internal TensorView(DeviceBuffer buffer, DataType dataType, long rows, long columns, long byteOffset, long rowStride)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegative(columns);
        ArgumentOutOfRangeException.ThrowIfNegative(byteOffset);
        ArgumentOutOfRangeException.ThrowIfLessThan(rowStride, columns);
        int elementSize = dataType.ByteSize();
        if (byteOffset % elementSize != 0)
        {
            throw Errors.MisalignedOffset(nameof(byteOffset), byteOffset, dataType, elementSize);
        }

        // Four times a product of two 63-bit numbers still fits 128 bits.
        UInt128 elements = rows == 0 || columns == 0 ? 0 : ((UInt128)(rows - 1) * (ulong)rowStride) + (ulong)columns;
        if ((elements * (uint)elementSize) + (ulong)byteOffset > (ulong)buffer.ByteLength)
        {
            throw Errors.ViewOutsideBuffer(dataType, rows, columns, rowStride, byteOffset, buffer.ByteLength);
        }

        Buffer = buffer;
        DataType = dataType;
        Rows = rows;
        Columns = columns;
        ByteOffset = byteOffset;
        RowStride = rowStride;
    }

    /// <summary>The buffer viewed; <see langword="null"/> only in the default value.</summary>
    public DeviceBuffer Buffer { get; }

    /// <summary>Bytes from the start of the buffer to element (0, 0).</summary>
    public long ByteOffset { get; }

    /// <summary>Number of rows.</summary>
    public long Rows { get; }

    /// <summary>Number of columns.</summary>
    public long Columns { get; }

    /// <summary>Elements from one row to the next; at least <see cref="Columns"/>.</summary>
    public long RowStride { get; }

    /// <summary>Element type.</summary>
    public DataType DataType { get; }

    /// <summary>Whether the rows lie back to back.</summary>
    public bool IsContiguous => RowStride == Columns || Rows <= 1;

    /// <summary>A view of some of the rows.</summary>
    /// <param name="start">First row.</param>
    /// <param name="count">Number of rows.</param>
    /// <returns>The view [<paramref name="count"/>, <see cref="Columns"/>].</returns>
    /// <exception cref="ArgumentOutOfRangeException">The rows do not lie inside this view.</exception>
    public TensorView SliceRows(long start, long count)
    {
        if (start < 0 || count < 0 || start > Rows - count)
        {
            throw Errors.SliceOutsideView(nameof(start), "rows", start, count, Rows);
        }

        // An empty slice keeps the offset: the end of a strided view may lie beyond the buffer.
        long offset = count == 0 ? ByteOffset : ByteOffset + (start * RowStride * DataType.ByteSize());
        return new TensorView(RequireBuffer(), DataType, count, Columns, offset, RowStride);
    }

    /// <summary>A view of some of the columns; the row stride stays.</summary>
    /// <param name="start">First column.</param>
    /// <param name="count">Number of columns.</param>
    /// <returns>The view [<see cref="Rows"/>, <paramref name="count"/>].</returns>
    /// <exception cref="ArgumentOutOfRangeException">The columns do not lie inside this view.</exception>
    public TensorView SliceColumns(long start, long count)
    {
        if (start < 0 || count < 0 || start > Columns - count)
        {
            throw Errors.SliceOutsideView(nameof(start), "columns", start, count, Columns);
        }

        long offset = count == 0 ? ByteOffset : ByteOffset + (start * DataType.ByteSize());
        return new TensorView(RequireBuffer(), DataType, Rows, count, offset, RowStride);
    }

    /// <summary>The same elements as a matrix of another shape.</summary>
    /// <param name="rows">Number of rows.</param>
    /// <param name="columns">Number of columns.</param>
    /// <returns>The view [<paramref name="rows"/>, <paramref name="columns"/>].</returns>
    /// <exception cref="ArgumentException">The number of elements differs, or the view is not contiguous.</exception>
    public TensorView Reshape(long rows, long columns)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegative(columns);
        if ((Int128)rows * columns != (Int128)Rows * Columns || !IsContiguous)
        {
            throw Errors.CannotReshape(this, rows, columns);
        }

        return new TensorView(RequireBuffer(), DataType, rows, columns, ByteOffset, columns);
    }

    /// <summary>Element type, shape and position, for logs.</summary>
    /// <returns>A text such as <c>Float32 [2, 64] at byte 0, row stride 64</c>.</returns>
    public override string ToString() => $"{DataType} [{Rows}, {Columns}] at byte {ByteOffset}, row stride {RowStride}";

    // The native form. The caller keeps Buffer alive until its call has returned (GC.KeepAlive).
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal NqTensor ToNative(string argument)
    {
        if (Buffer is null)
        {
            throw Errors.EmptyView(argument);
        }

        Errors.ThrowIfDisposed(Buffer.Handle, nameof(DeviceBuffer));
        return new NqTensor
        {
            Buffer = Buffer.Handle.DangerousGetHandle(),
            Offset = (ulong)ByteOffset,
            Rows = (ulong)Rows,
            Columns = (ulong)Columns,
            RowStride = (ulong)RowStride,
            Dtype = (NqDtype)DataType,
        };
    }

    private DeviceBuffer RequireBuffer() => Buffer ?? throw Errors.EmptyView("this");
}
