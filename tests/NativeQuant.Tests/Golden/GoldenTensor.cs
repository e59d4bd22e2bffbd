using System.Runtime.InteropServices;

namespace NativeQuant.Tests.Golden;

// A tensor of the reference vectors: raw little-endian bytes with their type and shape.
internal sealed class GoldenTensor
{
    public GoldenTensor(string type, long[] shape, byte[] bytes)
    {
        Type = type;
        Shape = shape;
        Bytes = bytes;
        long expected = Count * ElementSize;
        if (bytes.Length != expected)
        {
            throw new InvalidDataException($"{type} [{string.Join(", ", shape)}] takes {expected} bytes; the file has {bytes.Length}.");
        }
    }

    public string Type { get; }

    public long[] Shape { get; }

    public byte[] Bytes { get; }

    public long Count => Shape.Aggregate(1L, (product, dimension) => product * dimension);

    // As a matrix: leading dimensions are rows, and a vector is one row.
    public long Columns => Shape.Length == 0 ? 1 : Shape[^1];

    public long Rows => Shape.Length < 2 ? 1 : Shape[..^1].Aggregate(1L, (product, dimension) => product * dimension);

    public DataType DataType => Type switch
    {
        "f32" => DataType.Float32,
        "f16" => DataType.Float16,
        "bf16" => DataType.BFloat16,
        "u8" => DataType.UInt8,
        "i8" => DataType.Int8,
        "i32" => DataType.Int32,
        _ => throw new InvalidDataException($"{Type} is not a type of device tensors."),
    };

    private int ElementSize => Type == "i64" ? 8 : DataType.ByteSize();

    public T[] As<T>()
        where T : unmanaged => MemoryMarshal.Cast<byte, T>(Bytes).ToArray();

    // The values as float32, which represents each of the floating-point types exactly.
    public float[] ToSingles() => Floats.Widen(Bytes, DataType);
}
