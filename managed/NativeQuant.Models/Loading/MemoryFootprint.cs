namespace NativeQuant.Models;

/// <summary>
/// What the weights of a model cost. A matrix used twice (tied head) counts once; a copy of it (<see cref="LoadedWeight.IsCopy"/>) counts in
/// <paramref name="WeightBytes"/> and <paramref name="ResidentBytes"/> only.
/// </summary>
/// <param name="Parameters">Parameters of the model.</param>
/// <param name="QuantizedParameters">Those in 4-bit or 8-bit matrices.</param>
/// <param name="WeightBytes">All weights in the exchange format (numbers, codes, statistics).</param>
/// <param name="QuantizedBytes">The quantized matrices among <paramref name="WeightBytes"/>.</param>
/// <param name="ResidentBytes">Device memory that the weights occupy.</param>
public sealed record MemoryFootprint(long Parameters, long QuantizedParameters, long WeightBytes, long QuantizedBytes, long ResidentBytes)
{
    /// <summary>Bits per parameter over the whole model.</summary>
    public double BitsPerParameter => 8.0 * WeightBytes / Parameters;

    /// <summary>Bits per parameter over the quantized matrices, statistics included; null if there are none.</summary>
    public double? BitsPerQuantizedParameter => QuantizedParameters == 0 ? null : 8.0 * QuantizedBytes / QuantizedParameters;

    internal static MemoryFootprint Of(IReadOnlyCollection<LoadedWeight> weights)
    {
        LoadedWeight[] parameters = [.. weights.Where(static weight => !weight.IsCopy)];
        LoadedWeight[] quantized = [.. parameters.Where(static weight => weight.IsQuantized)];
        return new MemoryFootprint(
            parameters.Sum(static weight => weight.Parameters),
            quantized.Sum(static weight => weight.Parameters),
            weights.Sum(static weight => weight.StoredBytes),
            quantized.Sum(static weight => weight.StoredBytes),
            weights.Sum(static weight => weight.ResidentBytes));
    }
}
