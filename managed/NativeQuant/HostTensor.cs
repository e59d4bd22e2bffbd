namespace NativeQuant;

/// <summary>
/// Weights in host memory that a matrix is made from: [<see cref="Rows"/>, <see cref="Columns"/>], contiguous, row-major, little-endian, of
/// any alignment. Typically a tensor of a memory-mapped checkpoint.
/// </summary>
/// <remarks>
/// Describes memory and does not own it: <see cref="Owner"/> is kept alive while a call reads from <see cref="Address"/>, and whoever
/// disposes of that memory meanwhile breaks the promise made here.
/// </remarks>
public readonly struct HostTensor
{
    /// <summary>Describes host memory.</summary>
    /// <param name="address">Address of element (0, 0).</param>
    /// <param name="byteLength">Bytes that may be read from there; exactly <paramref name="rows"/> · <paramref name="columns"/> elements.</param>
    /// <param name="dataType">Element type.</param>
    /// <param name="rows">Number of rows (output features), at least 1.</param>
    /// <param name="columns">Number of columns (input features), at least 1.</param>
    /// <param name="owner">What keeps the memory valid; <see langword="null"/> if the caller sees to that.</param>
    /// <exception cref="ArgumentException"><paramref name="address"/> is zero, or <paramref name="byteLength"/> does not fit the shape.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A dimension is less than 1, or the type is unknown.</exception>
    public HostTensor(nint address, long byteLength, DataType dataType, long rows, long columns, object? owner)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(columns, 1);
        if (address == 0)
        {
            throw Errors.NullAddress(nameof(address));
        }

        if (byteLength < 0 || (UInt128)rows * (ulong)columns * (uint)dataType.ByteSize() != (ulong)byteLength)
        {
            throw Errors.ByteLengthDoesNotFit(nameof(byteLength), byteLength, dataType, rows, columns);
        }

        Address = address;
        ByteLength = byteLength;
        DataType = dataType;
        Rows = rows;
        Columns = columns;
        Owner = owner;
    }

    /// <summary>Address of element (0, 0).</summary>
    public nint Address { get; }

    /// <summary>Size in bytes.</summary>
    public long ByteLength { get; }

    /// <summary>Element type.</summary>
    public DataType DataType { get; }

    /// <summary>Number of rows (output features).</summary>
    public long Rows { get; }

    /// <summary>Number of columns (input features).</summary>
    public long Columns { get; }

    /// <summary>What keeps the memory valid.</summary>
    public object? Owner { get; }
}
