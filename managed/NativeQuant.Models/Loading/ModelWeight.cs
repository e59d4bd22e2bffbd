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

    /// <summary>
    /// Not null: the matrix is an approximation made for running only, and saving writes the numbers of the checkpoint in this type.
    /// </summary>
    public DataType? SavedFromCheckpointAs { get; init; }

    /// <summary>The matrix is a copy of another weight, made for running only; saving passes it over.</summary>
    public bool IsCopy { get; init; }

    /// <summary>Dimensions before quantization.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>The matrix, or null for a vector.</summary>
    public Matrix? Matrix { get; }

    /// <summary>The vector [1, length]; meaningless for a matrix.</summary>
    public TensorView Vector { get; }

    public LoadedWeight Describe() => Matrix switch
    {
        Matrix4Bit matrix => Describe(EncodingOf(matrix), matrix),
        Matrix8Bit matrix => Describe(WeightEncoding.Int8, matrix),
        Matrix matrix => Describe(EncodingOf(matrix.DataType), matrix),
        null => new LoadedWeight(Name, EncodingOf(Vector.DataType), Shape, _buffer!.ByteLength, _buffer.ByteLength),
    };

    public void Dispose()
    {
        Matrix?.Dispose();
        _buffer?.Dispose();
    }

    private LoadedWeight Describe(WeightEncoding encoding, Matrix matrix) => new(Name, encoding, Shape, matrix.StorageBytes, matrix.ResidentBytes) { IsCopy = IsCopy };

    private static WeightEncoding EncodingOf(Matrix4Bit matrix) => (matrix.QuantType, matrix.NestedBlocksize) switch
    {
        (QuantType.NF4, 0) => WeightEncoding.NF4,
        (QuantType.NF4, _) => WeightEncoding.NF4DoubleQuant,
        (_, 0) => WeightEncoding.FP4,
        _ => WeightEncoding.FP4DoubleQuant,
    };

    private static WeightEncoding EncodingOf(DataType dataType) => dataType switch
    {
        DataType.Float16 => WeightEncoding.Float16,
        DataType.BFloat16 => WeightEncoding.BFloat16,
        _ => WeightEncoding.Float32,
    };
}
