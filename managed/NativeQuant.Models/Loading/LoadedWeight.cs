namespace NativeQuant.Models;

/// <summary>One weight of a loaded model.</summary>
/// <param name="Name">Name as in the checkpoint, e.g. <c>model.layers.0.mlp.up_proj.weight</c>.</param>
/// <param name="Encoding">How it is held.</param>
/// <param name="Shape">Dimensions before quantization.</param>
/// <param name="StoredBytes">Bytes in the exchange format: numbers, or codes and their statistics.</param>
/// <param name="ResidentBytes">Bytes of device memory.</param>
public sealed record LoadedWeight(string Name, WeightEncoding Encoding, IReadOnlyList<long> Shape, long StoredBytes, long ResidentBytes)
{
    /// <summary>
    /// True for an int8 copy of another weight that only the output head uses (<see cref="LoadOptions.Int8Head"/> with a tied head): it takes
    /// memory, but adds no parameters and is not saved.
    /// </summary>
    public bool IsCopy { get; init; }

    /// <summary>Number of parameters: the product of <see cref="Shape"/>.</summary>
    public long Parameters => Shape.Aggregate(1L, static (product, dimension) => product * dimension);

    /// <summary>True for 4-bit and 8-bit formats.</summary>
    public bool IsQuantized => Encoding is not (WeightEncoding.Float32 or WeightEncoding.Float16 or WeightEncoding.BFloat16);

    /// <summary>Bits in the exchange format per parameter, statistics included.</summary>
    public double BitsPerParameter => 8.0 * StoredBytes / Parameters;
}
