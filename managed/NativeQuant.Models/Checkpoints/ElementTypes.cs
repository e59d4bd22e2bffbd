using System.Collections.Frozen;

namespace NativeQuant.Models.Checkpoints;

/// <summary>The element types of the safetensors format, under the names its header uses.</summary>
internal static class ElementTypes
{
    private static readonly FrozenDictionary<string, int> BitSizes = new Dictionary<string, int>
    {
        ["F4"] = 4,
        ["F6_E2M3"] = 6,
        ["F6_E3M2"] = 6,
        ["BOOL"] = 8,
        ["U8"] = 8,
        ["I8"] = 8,
        ["F8_E5M2"] = 8,
        ["F8_E4M3"] = 8,
        ["F8_E8M0"] = 8,
        ["F8_E4M3FNUZ"] = 8,
        ["F8_E5M2FNUZ"] = 8,
        ["U16"] = 16,
        ["I16"] = 16,
        ["F16"] = 16,
        ["BF16"] = 16,
        ["U32"] = 32,
        ["I32"] = 32,
        ["F32"] = 32,
        ["U64"] = 64,
        ["I64"] = 64,
        ["F64"] = 64,
        ["C64"] = 64,
    }.ToFrozenDictionary(StringComparer.Ordinal);

    public static string KnownNames => string.Join(", ", BitSizes.Keys.Order(StringComparer.Ordinal));

    public static bool IsKnown(string elementType) => BitSizes.ContainsKey(elementType);

    /// <summary>
    /// Bytes of a contiguous tensor, or false when the product of the dimensions, or the size, exceeds 2^63 - 1,
    /// or (types narrower than a byte) when the tensor does not end on a byte.
    /// </summary>
    public static bool TryGetByteLength(string elementType, ReadOnlySpan<long> shape, out long byteLength)
    {
        byteLength = 0;
        UInt128 bits = (UInt128)BitSizes[elementType];
        // The product of the dimensions alone must fit too, in the order given: a later zero does not excuse an overflow.
        UInt128 elements = 1;
        foreach (long dimension in shape)
        {
            elements *= (UInt128)dimension;
            if (elements > long.MaxValue)
            {
                return false;
            }
        }
        bits *= elements;
        if (bits % 8 != 0 || bits / 8 > long.MaxValue)
        {
            return false;
        }
        byteLength = (long)(bits / 8);
        return true;
    }

    /// <summary>The type of the native library that has the same bits, or null when kernels cannot read it.</summary>
    public static DataType? ToDataType(string elementType) => elementType switch
    {
        "F32" => DataType.Float32,
        "F16" => DataType.Float16,
        "BF16" => DataType.BFloat16,
        "I8" => DataType.Int8,
        "U8" => DataType.UInt8,
        "I32" => DataType.Int32,
        "U32" => DataType.UInt32,
        _ => null,
    };

    /// <summary>The safetensors name of a type of the native library.</summary>
    public static string FromDataType(DataType dataType) => dataType switch
    {
        DataType.Float32 => "F32",
        DataType.Float16 => "F16",
        DataType.BFloat16 => "BF16",
        DataType.Int8 => "I8",
        DataType.UInt8 => "U8",
        DataType.Int32 => "I32",
        DataType.UInt32 => "U32",
        _ => throw new ArgumentOutOfRangeException(nameof(dataType), dataType, "No element type of this name exists in the safetensors format."),
    };
}
