namespace NativeQuant.Models;

/// <summary>One weight of a loaded model.</summary>
/// <param name="Name">Name as in the checkpoint, e.g. <c>model.layers.0.mlp.up_proj.weight</c>.</param>
/// <param name="Format">How it is held.</param>
/// <param name="Shape">Dimensions before quantization.</param>
/// <param name="StoredBytes">Bytes in the exchange format: numbers, or codes and their statistics.</param>
/// <param name="ResidentBytes">Bytes of device memory.</param>
public sealed record LoadedWeight(string Name, WeightFormat Format, IReadOnlyList<long> Shape, long StoredBytes, long ResidentBytes)
{
    /// <summary>Number of parameters: the product of <see cref="Shape"/>.</summary>
    public long Parameters => Shape.Aggregate(1L, static (product, dimension) => product * dimension);

    /// <summary>True for 4-bit and 8-bit formats.</summary>
    public bool IsQuantized => Format is not (WeightFormat.Float32 or WeightFormat.Float16 or WeightFormat.BFloat16);

    /// <summary>Bits in the exchange format per parameter, statistics included.</summary>
    public double BitsPerParameter => 8.0 * StoredBytes / Parameters;
}
