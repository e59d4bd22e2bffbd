namespace NativeQuant;

/// <summary>4-bit data type: which 16-entry codebook the codes index. Values are those of the native interface.</summary>
public enum QuantType
{
    /// <summary>NormalFloat: quantiles of the normal distribution, normalised to [-1, 1] (QLoRA, arXiv 2305.14314).</summary>
    NF4 = 0,

    /// <summary>4-bit floating point: sign and 3 bits that select a magnitude of {0, 1/192, 1/6, 1/4, 1/3, 1/2, 2/3, 1}.</summary>
    FP4 = 1,
}
