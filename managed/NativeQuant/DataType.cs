namespace NativeQuant;

/// <summary>Element type of a tensor or matrix.</summary>
public enum DataType
{
    /// <summary>IEEE 754 binary32, 4 bytes.</summary>
    Float32 = 0,

    /// <summary>IEEE 754 binary16, 2 bytes; <see cref="Half"/> in .NET.</summary>
    Float16 = 1,

    /// <summary>bfloat16: the upper half of a binary32, 2 bytes.</summary>
    BFloat16 = 2,

    /// <summary>Signed 8-bit integer.</summary>
    Int8 = 3,

    /// <summary>Unsigned 8-bit integer; also packed 4-bit codes, two per byte.</summary>
    UInt8 = 4,

    /// <summary>Signed 32-bit integer.</summary>
    Int32 = 5,

    /// <summary>Unsigned 32-bit integer; token ids and positions.</summary>
    UInt32 = 6,
}

/// <summary>Facts about <see cref="DataType"/> values.</summary>
public static class DataTypeExtensions
{
    /// <summary>Size of one element in bytes.</summary>
    /// <param name="dataType">The element type.</param>
    /// <returns>1, 2 or 4.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="dataType"/> is not a defined value.</exception>
    public static int ByteSize(this DataType dataType) => dataType switch
    {
        DataType.Float32 or DataType.Int32 or DataType.UInt32 => 4,
        DataType.Float16 or DataType.BFloat16 => 2,
        DataType.Int8 or DataType.UInt8 => 1,
        _ => throw Errors.UnknownDataType(nameof(dataType), dataType),
    };

    /// <summary>Whether the type is <see cref="DataType.Float32"/>, <see cref="DataType.Float16"/> or <see cref="DataType.BFloat16"/>.</summary>
    /// <param name="dataType">The element type.</param>
    /// <returns><see langword="true"/> for a floating-point type.</returns>
    public static bool IsFloatingPoint(this DataType dataType) =>
        dataType is DataType.Float32 or DataType.Float16 or DataType.BFloat16;
}
