namespace NativeQuant.Models.Checkpoints;

/// <summary>How a checkpoint stores the weight of a linear module.</summary>
public enum WeightFormat
{
    /// <summary>Unquantized: one tensor of a floating-point type.</summary>
    Dense = 0,

    /// <summary>bitsandbytes' LLM.int8(): int8 codes with one absmax per row, under <c>SCB</c>.</summary>
    EightBit = 1,

    /// <summary>bitsandbytes' NF4 or FP4: packed codes with one absmax per block, described by a <c>quant_state</c>.</summary>
    FourBit = 2,
}
