using System.Diagnostics.CodeAnalysis;

namespace NativeQuant.Models;

/// <summary>How the numbers of one weight are held.</summary>
[SuppressMessage("Naming", "CA1720", Justification = "The formats are known by these names.")]
public enum WeightEncoding
{
    /// <summary>f32.</summary>
    Float32,

    /// <summary>f16.</summary>
    Float16,

    /// <summary>bf16.</summary>
    BFloat16,

    /// <summary>int8 codes with one absmax per row: LLM.int8().</summary>
    Int8,

    /// <summary>4-bit FP4 codes with one f32 absmax per block.</summary>
    FP4,

    /// <summary>4-bit NF4 codes with one f32 absmax per block.</summary>
    NF4,

    /// <summary>FP4 with absmax quantized to 8 bits.</summary>
    FP4DoubleQuant,

    /// <summary>NF4 with absmax quantized to 8 bits.</summary>
    NF4DoubleQuant,
}
