namespace NativeQuant.Cli.Inspection;

/// <summary>What the weights of a model cost in one format.</summary>
/// <param name="Format">The format, e.g. "nf4".</param>
/// <param name="LinearBytes">The linear layers: numbers, or codes and their statistics.</param>
/// <param name="LinearParameters">Parameters of the linear layers.</param>
/// <param name="TotalBytes">All weights; what is not a linear layer keeps its type in the quantized formats.</param>
/// <param name="TotalParameters">Parameters of the model.</param>
internal sealed record FormatCost(string Format, long LinearBytes, long LinearParameters, long TotalBytes, long TotalParameters)
{
    private const int Blocksize = 64;
    private const int NestedBlocksize = 256;

    /// <summary>Bits per parameter of the linear layers; null if the model has none.</summary>
    public double? BitsPerLinearParameter => LinearParameters == 0 ? null : 8.0 * LinearBytes / LinearParameters;

    /// <summary>Bits per parameter of the whole model; null if it has no parameters.</summary>
    public double? BitsPerParameter => TotalParameters == 0 ? null : 8.0 * TotalBytes / TotalParameters;

    /// <summary>The cost in every format, for the weights of a checkpoint in any of them.</summary>
    public static IReadOnlyList<FormatCost> OfEveryFormat(IReadOnlyList<StoredWeight> weights) =>
    [
        Of("fp32", weights, static weight => 4 * weight.Parameters, static weight => 4 * weight.Parameters),
        Of("bf16", weights, static weight => 2 * weight.Parameters, static weight => 2 * weight.Parameters),
        Of("int8", weights, static weight => weight.Parameters + 4 * weight.Shape[0], static weight => weight.Bytes),
        Of("nf4", weights, static weight => Codes(weight) + 4 * Blocks(weight), static weight => weight.Bytes),
        Of("nf4 + double quantization", weights, static weight => Codes(weight) + Blocks(weight) + 4 * NestedBlocks(weight) + 4, static weight => weight.Bytes),
    ];

    private static FormatCost Of(string format, IReadOnlyList<StoredWeight> weights, Func<StoredWeight, long> linearBytes, Func<StoredWeight, long> otherBytes)
    {
        StoredWeight[] linear = [.. weights.Where(static weight => weight.IsLayerLinear)];
        long bytes = linear.Sum(linearBytes);
        return new FormatCost(
            format,
            bytes,
            linear.Sum(static weight => weight.Parameters),
            bytes + weights.Where(static weight => !weight.IsLayerLinear).Sum(otherBytes),
            weights.Sum(static weight => weight.Parameters));
    }

    private static long Codes(StoredWeight weight) => (weight.Parameters + 1) / 2;

    private static long Blocks(StoredWeight weight) => (weight.Parameters + Blocksize - 1) / Blocksize;

    private static long NestedBlocks(StoredWeight weight) => (Blocks(weight) + NestedBlocksize - 1) / NestedBlocksize;
}
