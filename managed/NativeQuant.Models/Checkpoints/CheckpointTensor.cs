namespace NativeQuant.Models.Checkpoints;

/// <summary>
/// A tensor of a memory-mapped safetensors file: its name, element type, shape and bytes. Row-major, contiguous, little-endian, of any alignment.
/// </summary>
/// <remarks>
/// Thread-safe. Once <see cref="Address"/>, <see cref="Bytes"/> or <see cref="AsHostTensor"/> was used, the mapping stays valid while this object
/// (or the host tensor's owner) is reachable, even when the checkpoint is disposed meanwhile; no new access is given after that.
/// A file must not be truncated while it is mapped: each access checks its size, but a truncation between the check and the reading of the
/// bytes cannot be caught, and on Linux and macOS it ends the process. Replace a model by renaming a new file over the old one.
/// </remarks>
public sealed unsafe class CheckpointTensor
{
    private readonly MappedFile _file;
    private readonly long _fileOffset;
    private readonly long[] _shape;
    private MappingLease? _lease;

    internal CheckpointTensor(MappedFile file, SafetensorsEntry entry, long dataOffset)
    {
        _file = file;
        _fileOffset = dataOffset + entry.Begin;
        _shape = entry.Shape;
        Name = entry.Name;
        ElementType = entry.ElementType;
        Shape = Array.AsReadOnly(_shape);
        ByteLength = entry.End - entry.Begin;
        ElementCount = 1;
        foreach (long dimension in _shape)
        {
            ElementCount *= dimension;
        }
    }

    /// <summary>The name in the checkpoint, e.g. <c>model.layers.0.self_attn.q_proj.weight</c>.</summary>
    public string Name { get; }

    /// <summary>The element type under its safetensors name: <c>F32</c>, <c>F16</c>, <c>BF16</c>, <c>I8</c>, <c>U8</c>, <c>I64</c> and so on.</summary>
    public string ElementType { get; }

    /// <summary>The dimensions, outermost first; empty for a scalar.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>Number of elements, the product of the dimensions: 1 for a scalar, 0 if a dimension is 0.</summary>
    public long ElementCount { get; }

    /// <summary>Size of the data in bytes.</summary>
    public long ByteLength { get; }

    /// <summary>The file this tensor lies in.</summary>
    public string FilePath => _file.Path;

    /// <summary>The element type as kernels know it, or null if none reads it (<c>F64</c>, <c>I64</c>, <c>BOOL</c>, 8-bit floats and so on).</summary>
    public DataType? DataType => ElementTypes.ToDataType(ElementType);

    /// <summary>Where the data lies in memory; aligned to nothing in particular.</summary>
    /// <exception cref="ObjectDisposedException">The checkpoint was disposed.</exception>
    /// <exception cref="CheckpointException">The file was truncated since it was opened.</exception>
    public nint Address => Lease().Address + (nint)_fileOffset;

    /// <summary>The data as one span. It must not be used when this tensor is no longer reachable.</summary>
    /// <exception cref="ObjectDisposedException">The checkpoint was disposed.</exception>
    /// <exception cref="CheckpointException">The tensor is longer than 2^31 - 1 bytes, or the file was truncated since it was opened.</exception>
    public ReadOnlySpan<byte> Bytes => ByteLength <= int.MaxValue
        ? new ReadOnlySpan<byte>((void*)Address, (int)ByteLength)
        : throw CheckpointErrors.TensorTooLarge(FilePath, Name, ByteLength);

    /// <summary>
    /// The tensor as the native library takes it: a matrix [rows, columns] whose columns are the last dimension and whose rows are all others
    /// together (a vector is one row, a scalar 1 × 1). Nothing is copied.
    /// </summary>
    /// <returns>A view that keeps the mapping alive through its owner.</returns>
    /// <exception cref="ObjectDisposedException">The checkpoint was disposed.</exception>
    /// <exception cref="CheckpointException">No kernel reads this element type, the tensor is empty, or the file was truncated since it was opened.</exception>
    public HostTensor AsHostTensor()
    {
        if (DataType is not { } dataType || ElementCount == 0)
        {
            throw CheckpointErrors.NoHostTensor(FilePath, Name, ElementType, _shape);
        }
        MappingLease lease = Lease();
        long columns = _shape.Length == 0 ? 1 : _shape[^1];
        return new HostTensor(lease.Address + (nint)_fileOffset, ByteLength, dataType, ElementCount / columns, columns, lease);
    }

    /// <summary>Returns the name, element type and shape.</summary>
    /// <returns>Such as <c>model.norm.weight F16 [128]</c>.</returns>
    public override string ToString() => $"{Name} {ElementType} {CheckpointErrors.Shape(_shape)}";

    /// <summary>Drops the pages of this tensor from the resident set, if it was ever looked at.</summary>
    internal void ReleasePages()
    {
        if (Volatile.Read(ref _lease) is { } lease)
        {
            PageAdvice.DropResidentPages(lease.Address + (nint)_fileOffset, ByteLength);
        }
    }

    private MappingLease Lease()
    {
        _file.ThrowIfShrunk();
        // Two threads may both take a lease; the one that is dropped ends with its collection.
        return Volatile.Read(ref _lease) ?? Interlocked.CompareExchange(ref _lease, _file.Lease(), null) ?? _lease;
    }
}
