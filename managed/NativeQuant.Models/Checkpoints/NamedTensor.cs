using System.Runtime.InteropServices;

namespace NativeQuant.Models.Checkpoints;

/// <summary>A tensor in managed memory, to be written to a checkpoint.</summary>
public abstract class NamedTensor
{
    private readonly long[] _shape;

    private NamedTensor(string name, string elementType, ReadOnlySpan<long> shape)
    {
        Name = name;
        ElementType = elementType;
        _shape = shape.ToArray();
    }

    /// <summary>The name in the checkpoint.</summary>
    public string Name { get; }

    /// <summary>The element type under its safetensors name.</summary>
    public string ElementType { get; }

    /// <summary>The dimensions, outermost first.</summary>
    public ReadOnlySpan<long> Shape => _shape;

    /// <summary>The data, row-major and little-endian.</summary>
    public abstract ReadOnlySpan<byte> Bytes { get; }

    /// <summary>Names an array; it is not copied.</summary>
    /// <typeparam name="T">The element type of the array, which may be another than that of the tensor: only its bytes count.</typeparam>
    /// <param name="name">The name in the checkpoint.</param>
    /// <param name="elementType">The element type under its safetensors name.</param>
    /// <param name="shape">The dimensions.</param>
    /// <param name="values">The data.</param>
    /// <returns>The tensor.</returns>
    public static NamedTensor From<T>(string name, string elementType, ReadOnlySpan<long> shape, T[] values)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(elementType);
        ArgumentNullException.ThrowIfNull(values);
        return new OfArray<T>(name, elementType, shape, values);
    }

    private sealed class OfArray<T>(string name, string elementType, ReadOnlySpan<long> shape, T[] values) : NamedTensor(name, elementType, shape)
        where T : unmanaged
    {
        public override ReadOnlySpan<byte> Bytes => MemoryMarshal.AsBytes(values.AsSpan());
    }
}
