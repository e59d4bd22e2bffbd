namespace NativeQuant.Models;

/// <summary>One weight on the device: a matrix, or a vector in a buffer. Owns both.</summary>
internal sealed class ModelWeight : IDisposable
{
    private readonly DeviceBuffer? _buffer;

    public ModelWeight(string name, Matrix matrix)
    {
        Name = name;
        Matrix = matrix;
        Shape = [matrix.Rows, matrix.Columns];
    }

    /// <param name="name">Name as in the checkpoint.</param>
    /// <param name="vector">[1, length], all of its buffer.</param>
    public ModelWeight(string name, TensorView vector)
    {
        Name = name;
        Vector = vector;
        Shape = [vector.Columns];
        _buffer = vector.Buffer;
    }

    /// <summary>Name as in the checkpoint.</summary>
    public string Name { get; }

    /// <summary>Dimensions before quantization.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>The matrix, or null for a vector.</summary>
    public Matrix? Matrix { get; }

    /// <summary>The vector [1, length]; meaningless for a matrix.</summary>
    public TensorView Vector { get; }

    public LoadedWeight Describe() => Matrix switch
    {
        Matrix4Bit matrix => Describe(FormatOf(matrix), matrix),
        Matrix8Bit matrix => Describe(WeightFormat.Int8, matrix),
        Matrix matrix => Describe(FormatOf(matrix.DataType), matrix),
        null => new LoadedWeight(Name, FormatOf(Vector.DataType), Shape, _buffer!.ByteLength, _buffer.ByteLength),
    };

    public void Dispose()
    {
        Matrix?.Dispose();
        _buffer?.Dispose();
    }

    private LoadedWeight Describe(WeightFormat format, Matrix matrix) => new(Name, format, Shape, matrix.StorageBytes, matrix.ResidentBytes);

    private static WeightFormat FormatOf(Matrix4Bit matrix) => (matrix.QuantType, matrix.NestedBlocksize) switch
    {
        (QuantType.NF4, 0) => WeightFormat.NF4,
        (QuantType.NF4, _) => WeightFormat.NF4DoubleQuant,
        (_, 0) => WeightFormat.FP4,
        _ => WeightFormat.FP4DoubleQuant,
    };

    private static WeightFormat FormatOf(DataType dataType) => dataType switch
    {
        DataType.Float16 => WeightFormat.Float16,
        DataType.BFloat16 => WeightFormat.BFloat16,
        _ => WeightFormat.Float32,
    };
}
